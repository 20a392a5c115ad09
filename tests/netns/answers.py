#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""answers.py NAMESPACE...: stands in all of these network namespaces with one process. For each line on stdin it sends
a packet over the loopback of each and prints the numbers (from 1) of those where it came back."""
import ctypes
import select
import socket
import sys
import time

WAIT_S = 0.3  # a packet over the loopback is there, or dropped, when send returns


def socket_in(name):
    with open("/run/netns/" + name, "rb") as ns:
        if ctypes.CDLL(None, use_errno=True).setns(ns.fileno(), 0x40000000):
            sys.exit("cannot enter " + name)
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0))
    s.connect(s.getsockname())
    s.setblocking(False)
    return s


sockets = [socket_in(name) for name in sys.argv[1:]]
for n, line in enumerate(sys.stdin):
    word, there = str(n).encode(), set()
    for s in sockets:
        try:
            s.send(word)
        except OSError:
            pass
    end = time.monotonic() + WAIT_S
    while len(there) < len(sockets):
        ready = select.select([s for s in sockets if s not in there], [], [], max(0, end - time.monotonic()))[0]
        if not ready:
            break
        there |= {s for s in ready if s.recv(100) == word}
    print("".join("%d " % (i + 1) for i, s in enumerate(sockets) if s in there), flush=True)
