# SPDX-License-Identifier: Apache-2.0
"""keep.py NAME=ADDRESS,PORT...: holds one connection for each. A line on stdin asks which of them have ended since, by
name and error; they are opened again then."""
import socket, sys
want = [w.split("=") for w in sys.argv[1:]]
def connect(to):
    host, port = to.rsplit(",", 1)
    s = socket.create_connection((host, int(port)), 5)
    s.setblocking(True)
    return s
kept = {name: connect(to) for name, to in want}
print("ready", flush=True)
for _ in sys.stdin:
    ended = []
    for name, to in want:
        try:
            kept[name].recv(1, socket.MSG_DONTWAIT)
        except BlockingIOError:
            continue
        except OSError as e:
            ended.append(f"{name}:{e.errno}")
        else:
            ended.append(f"{name}:eof")
        kept[name] = connect(to)
    print(" ".join(ended) or "none", flush=True)
