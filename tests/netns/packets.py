# SPDX-License-Identifier: Apache-2.0
# Packets with what a selector may look at, against the echo servers of prog_meter.
#   packets.py probes                    reads "WANT: udp ADDRESS[,ADDRESS...] PORT [key=value...]" and
#                                        "WANT: tcp ADDRESS PORT [key=value...]", does all of them at once, each in a
#                                        process of its own, and prints those that do not give WANT; then "N probes"
#     udp: "map 110": which of `count` datagrams came back, one after the other, to each address in turn
#     tcp: "timeout", "refused", "silent" (connected, nothing came back), "open" (echoed, the end of it unheard), "ok"
#     keys: count, size (bytes of a datagram), mark, tos, user, source (address)
#   packets.py pairs NS NS ADDRESS ADDRESS PORT COUNT
#                                        UDP from COUNT ports of the first to one port of the second namespace and back:
#                                        "there 0110...", "back 0110..."
import ctypes
import os
import socket
import sys

IPV6_TCLASS = 67
WAIT = 2  # seconds for an answer: most probes wait for it at the same time


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
        s.bind((keys["source"], 0))
    s.settimeout(WAIT)
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
    return "map " + came


def tcp(address, port, keys):
    s = opened(address, socket.SOCK_STREAM, keys)
    try:
        s.connect((address, port))
    except socket.timeout:
        return "timeout"
    except ConnectionRefusedError:
        return "refused"
    try:
        s.send(b"x")
        s.recv(1)
    except socket.timeout:
        return "silent"
    try:
        s.shutdown(socket.SHUT_WR)
        return "ok" if s.recv(1) == b"" else "open"
    except socket.timeout:
        return "open"


def probe(line):
    want, rest = line.split(": ", 1)
    kind, addresses, port, *words = rest.split()
    keys = dict(w.split("=") for w in words)
    if "user" in keys:
        os.setresuid(*[int(keys["user"])] * 3)
    got = {"udp": udp, "tcp": tcp}[kind](addresses, int(port), keys)
    if got != want:
        print(f"{kind} {addresses} {port} {' '.join(words)}: not '{want}' but '{got}'", flush=True)
    return got == want


def probes():
    os.nice(5)  # all of these at once, on a small machine: a runner that does not get its turn is taken for hung
    children = []
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                os._exit(0 if probe(line) else 1)
            except Exception as e:
                print(line.strip(), e, flush=True)
                os._exit(1)
        children.append(pid)
    bad = [p for p in children if os.waitpid(p, 0)[1]]
    print(len(children), "probes")
    sys.exit(1 if bad else 0)


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
    probes()
