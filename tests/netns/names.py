# SPDX-License-Identifier: Apache-2.0
"""A name server in a few lines, where there is no real one, and somebody who asks it.

names.py serve                  answers every question for A with 192.0.2.1 and for AAAA with 2001:db8::1
names.py ask                    lines "udp|tcp SERVER NAME TYPE" become "MILLISECONDS udp|tcp SERVER NAME TYPE RCODE ADDRESS ..."
"""
import select
import socket
import struct
import sys
import time

ADDRESS = {1: bytes([192, 0, 2, 1]), 28: socket.inet_pton(socket.AF_INET6, '2001:db8::1')}


def answer(query):
    end = query.index(b'\0', 12) + 5
    kind = struct.unpack('!H', query[end - 4:end - 2])[0]
    data = ADDRESS.get(kind, b'')
    record = struct.pack('!HHHIH', 0xc00c, kind, 1, 60, len(data)) + data if data else b''
    # an additional record of a type that nobody knows, as room for any address
    rest = struct.pack('!BHHIH', 0, 65400, 1, 0, 20) + bytes(20)
    return query[:2] + struct.pack('!HHHHH', 0x8580, 1, bool(data), 0, 1) + query[12:end] + record + rest


def serve():
    udp, tcp = [], []
    for family, where in (socket.AF_INET, ('10.77.0.2', 53)), (socket.AF_INET6, ('fd77::2', 53)):
        udp.append(socket.socket(family, socket.SOCK_DGRAM))
        udp[-1].bind(where)
        tcp.append(socket.socket(family, socket.SOCK_STREAM))
        tcp[-1].bind(where)
        tcp[-1].listen()
    print('ready', flush=True)
    while True:
        for s in select.select(udp + tcp, [], [])[0]:
            if s in udp:
                query, asker = s.recvfrom(4096)
                s.sendto(answer(query), asker)
                continue
            peer = s.accept()[0]
            query = peer.recv(4096)
            if query:
                said = answer(query[2:])
                peer.sendall(struct.pack('!H', len(said)) + said)
            peer.close()


def ask(proto, server, name, kind):
    question = b''.join(bytes([len(label)]) + label.encode() for label in name.split('.')) + struct.pack('!BHH', 0, kind, 1)
    query = b'id' + struct.pack('!HHHHH', 0x0100, 1, 0, 0, 0) + question
    family = socket.AF_INET6 if ':' in server else socket.AF_INET
    s = socket.socket(family, socket.SOCK_DGRAM if proto == 'udp' else socket.SOCK_STREAM)
    s.settimeout(20)
    s.connect((server, 53))
    began = time.monotonic()
    s.send(query if proto == 'udp' else struct.pack('!H', len(query)) + query)
    said = s.recv(4096)
    took = time.monotonic() - began
    if proto == 'tcp':
        said = said[2:]
    ident, flags, questions, answers, authorities, _ = struct.unpack('!2sHHHHH', said[:12])
    assert ident == b'id' and flags & 0xfff0 == 0x8580 and questions == 1 and authorities == 0
    assert said[12:12 + len(question)] == question
    at, found = 12 + len(question), []
    for _ in range(answers):
        pointer, got, _, _, size = struct.unpack('!HHHIH', said[at:at + 12])
        assert pointer == 0xc00c and got == kind
        found.append(socket.inet_ntop(socket.AF_INET if kind == 1 else socket.AF_INET6, said[at + 12:at + 12 + size]))
        at += 12 + size
    print(int(took * 1000), proto, server, name, kind, flags & 15, *found, flush=True)


if sys.argv[1] == 'serve':
    serve()
for line in sys.stdin:
    how, whom, what, number = line.split()
    ask(how, whom, what, int(number))
