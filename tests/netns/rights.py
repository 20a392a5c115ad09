# SPDX-License-Identifier: Apache-2.0
"""rights.py RUNNER PLAN: what the processes of a run hold, compared with what `brink plan --json` said.

PLAN: that JSON. There are a runner, a keeper, a spare and one holder for each fault. Every process must be filtered
(Seccomp 2) and have no_new_privs. Prints one line "KIND PID" a process and what is wrong; exit 1 then.
"""
import glob
import json
import os
import re
import sys

NAMES = ["chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap",
         "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner",
         "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace"]  # linux/capability.h, from 0
NAMES += ["sys_pacct", "sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time", "sys_tty_config"]

wrong = []


def status(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as f:
        return dict(re.findall(r"^(\w+):[ \t]*(.*?)[ \t]*$", f.read(), re.M))


def children(pid):
    found = []
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        with open(path, encoding="ascii") as f:
            found += [int(p) for p in f.read().split()]
    return found


def caps(pid, which):
    n = int(status(pid)[which], 16)
    return sorted(NAMES[i] if i < len(NAMES) else str(i) for i in range(64) if n >> i & 1)


def check(kind, pid, want, bounding):
    print(kind, pid)
    s = status(pid)
    for field in ("CapPrm", "CapEff") + (("CapBnd",) if bounding else ()):
        if caps(pid, field) != sorted(want):
            wrong.append(f"{kind}: {field} is {caps(pid, field)}, the plan says {sorted(want)}")
    for field, value in (("Seccomp", "2"), ("NoNewPrivs", "1"), ("CapInh", "0" * 16), ("CapAmb", "0" * 16)):
        if s[field] != value:
            wrong.append(f"{kind}: {field} is {s[field]}, not {value}")


def main():
    run = int(sys.argv[1])
    with open(sys.argv[2], encoding="utf-8") as f:
        rights = json.load(f)["rights"]
    below = {}
    for pid in children(run):
        below.setdefault(os.path.basename(os.readlink(f"/proc/{pid}/exe")), []).append(pid)
    [keeper] = below["brink-keeper"]
    kept = {}
    for pid in children(keeper):
        kept.setdefault(status(pid)["Name"], []).append(pid)
    bounding = int(status(os.getpid())["CapBnd"], 16) >> 8 & 1 and os.geteuid() == 0  # with setpcap it can be emptied
    check("runner", run, [], bounding)
    for kind, exe in (("prober", "brink-prober"), ("launcher", "brink")):
        for pid in below.get(exe, []):
            check(kind, pid, [], bounding)
    check("keeper", keeper, rights["keeper"], bounding)
    [spare] = kept.pop("brink-spare")
    check("spare", spare, rights["keeper"], bounding)
    holders = sorted(kept.pop("brink-holder"))
    wants = list(rights["holders"].items())  # they are started in the order of the faults
    if len(holders) != len(wants) or kept:
        wrong.append(f"there are {len(holders)} holders of {len(wants)} faults, and {kept}")
    for pid, (label, want) in zip(holders, wants):
        check(f"holder:{label}", pid, want, bounding)
    for line in wrong:
        print("FAIL: " + line)
    sys.exit(bool(wrong))


main()
