# SPDX-License-Identifier: Apache-2.0
# Packets with what a selector may look at, against the echo servers of prog_meter.
#   packets.py udp ADDRESS[,ADDRESS...] PORT [key=value...]   "map 110": which of `count` datagrams came back, one after
#                                                             the other, to each address in turn
#   packets.py tcp ADDRESS PORT [key=value...]                "timeout", "refused", "silent" (connected, nothing came
#                                                             back), "open" (echoed, the end of it unheard), "ok"
#   packets.py pairs NS NS ADDRESS ADDRESS PORT COUNT         UDP from ports of the first to one port of the second
#                                                             namespace and back: "there 0110...", "back 0110..."
# Keys: count, size (bytes of a datagram), mark, tos, user, source (port); wait (ms) for an answer.
import ctypes
import os
import socket
import sys

IPV6_TCLASS = 67


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def opened(address, kind, keys):
    s = socket.socket(family(address), kind)
    if "mark" in keys:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, int(keys["mark"], 0))
    if "tos" in keys and ":" in address:
        s.setsockopt(socket.IPPROTO_IPV6, IPV6_TCLASS, int(keys["tos"], 0))
    elif "tos" in keys:
        s.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, int(keys["tos"], 0))
    if "source" in keys:
        s.bind(("::" if ":" in address else "0.0.0.0", int(keys["source"])))
    s.settimeout(int(keys.get("wait", 500)) / 1000)
    return s


def udp(addresses, port, keys):
    sockets = []
    for address in addresses.split(","):
        s = opened(address, socket.SOCK_DGRAM, keys)
        s.connect((address, port))
        sockets.append(s)
    came = ""
    for i in range(int(keys.get("count", 1))):
        s = sockets[i % len(sockets)]
        data = bytes([i + 1]) * int(keys.get("size", 1))
        s.send(data)
        try:
            came += "1" if s.recv(65536) == data else "?"
        except socket.timeout:
            came += "0"
    print("map", came)


def tcp(address, port, keys):
    s = opened(address, socket.SOCK_STREAM, keys)
    try:
        s.connect((address, port))
    except socket.timeout:
        return print("timeout")
    except ConnectionRefusedError:
        return print("refused")
    try:
        s.send(b"x")
        s.recv(1)
    except socket.timeout:
        return print("silent")
    try:
        s.shutdown(socket.SHUT_WR)
        print("ok" if s.recv(1) == b"" else "open")
    except socket.timeout:
        print("open")


# A socket stays in the namespace in which it was opened.
def sockets_in(namespace, address, ports):
    libc = ctypes.CDLL(None, use_errno=True)
    fd = os.open("/run/netns/" + namespace, os.O_RDONLY)
    if libc.setns(fd, 0x40000000):
        raise OSError(ctypes.get_errno(), "setns")
    os.close(fd)
    made = []
    for port in ports:
        s = socket.socket(family(address), socket.SOCK_DGRAM)
        s.bind((address, port))
        s.settimeout(0.5)
        made.append(s)
    return made


def pairs(near, far, near_address, far_address, port, count):
    ports = range(30000, 30000 + int(count))
    here = sockets_in(near, near_address, ports)
    there = sockets_in(far, far_address, [int(port)])[0]
    for s in here:
        s.sendto(b"x", (far_address, int(port)))
    heard = set()
    try:
        while True:
            heard.add(there.recvfrom(10)[1][1])
    except socket.timeout:
        pass
    print("there", "".join("01"[p in heard] for p in ports))
    for p in ports:
        there.sendto(b"x", (near_address, p))
    came = ""
    for s in here:
        s.settimeout(0.02)
        try:
            came += "1" if s.recv(10) else "?"
        except socket.timeout:
            came += "0"
    print("back", came)


if sys.argv[1] == "pairs":
    pairs(*sys.argv[2:])
else:
    given = dict(a.split("=") for a in sys.argv[4:])
    if "user" in given:
        os.setresuid(*[int(given["user"])] * 3)
    {"udp": udp, "tcp": tcp}[sys.argv[1]](sys.argv[2], int(sys.argv[3]), given)
