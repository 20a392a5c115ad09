# SPDX-License-Identifier: Apache-2.0
"""processes.py RUNNER VICTIM DIR BUILD UID GID GROUPS: what the processes of a run may do, read from /proc.

They are found from the runner's number downwards and told apart by what they hold, never by what brink says of them.
DIR/look: status, stat and oom_score_adj of a command, then of the warden above it, as the command itself saw them;
DIR/disk: what is filled. The run holds two net.drop, one proc.pause of VICTIM and one disk.fill.
Prints what is wrong; exit 1 then. docs/privileges.md has the same table.
"""
import glob
import os
import re
import resource
import sys

KEEPER = "dac_override dac_read_search net_admin sys_ptrace sys_admin"
# process: user, permitted = effective = bounding set, no_new_privs, seccomp, session, OOM score
TABLE = {
    "runner": ("root", "", 1, 2, "caller", 0),
    "prober": ("probe", "", 1, 2, "own", 0),
    "launcher": ("probe", "", 1, 2, "caller", 0),
    "warden": ("probe", "", 1, 2, "caller", 0),
    "command": ("probe", "", 1, 2, "own", 0),
    "keeper": ("root", KEEPER, 1, 2, "own", -1000),
    "spare": ("root", KEEPER, 1, 2, "keeper", -1000),
    "holder of net.drop": ("root", "net_admin", 1, 2, "keeper", -1000),
    "holder of proc.pause": ("root", "sys_ptrace", 1, 2, "keeper", -1000),
    "holder of disk.fill": ("root", "dac_override", 1, 2, "keeper", -1000),
}
NUMBER = {"dac_override": 1, "dac_read_search": 2, "kill": 5, "setpcap": 8, "net_admin": 12, "ipc_lock": 14,
          "sys_ptrace": 19, "sys_admin": 21, "sys_nice": 23, "sys_resource": 24}  # linux/capability.h
NETLINK_NETFILTER = 12
SCHED_FIFO = 1

wrong = []


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def expect(what, is_, should):
    if is_ != should:
        wrong.append(f"{what} is {is_!r}, not {should!r}")


class Process:
    """What proc(5) says of one process; text: status, stat and oom_score_adj, one behind the other."""

    def __init__(self, pid, text=None):
        if text is None:
            text = "".join(read(f"/proc/{pid}/{f}") for f in ("status", "stat", "oom_score_adj"))
        self.status = dict(re.findall(r"^(\w+):[ \t]*(.*?)[ \t]*$", text, re.M))
        self.pid = int(self.status["Pid"])
        after_name = re.search(rf"^{self.pid} \(.*\) (.*)\n(-?\d+)\n", text, re.M)
        self.stat = [None, None, None] + after_name[1].split()  # [3] is the state, as in proc(5)
        self.session = int(self.stat[6])
        self.oom = int(after_name[2])

    def cap(self, which):
        return int(self.status[which], 16)

    def fds(self):
        found = {}
        for fd in glob.glob(f"/proc/{self.pid}/fd/*"):
            try:
                found[int(os.path.basename(fd))] = os.readlink(fd)
            except FileNotFoundError:
                pass
        return found

    def sockets(self):
        return {int(link[8:-1]) for link in self.fds().values() if link.startswith("socket:[")}

    def maps(self):
        return {line.split(None, 5)[5].strip() for line in read(f"/proc/{self.pid}/maps").splitlines()
                if " /" in line}

    def exe(self):
        return os.readlink(f"/proc/{self.pid}/exe")

    def children(self):
        tasks = glob.glob(f"/proc/{self.pid}/task/*/children")
        return [Process(int(p)) for t in tasks for p in read(t).split()]

    def has_open(self, pattern):
        return any(re.search(pattern, link) for link in self.fds().values())

    def has_nft_socket(self):
        rows = [line.split() for line in read(f"/proc/{self.pid}/net/netlink").splitlines()[1:]]
        return any(int(r[1]) == NETLINK_NETFILTER and int(r[-1]) in self.sockets() for r in rows)


def the(what, many, processes, test):
    found = [p for p in processes if test(p)]
    if len(found) != many:
        sys.exit(f"there are {len(found)} of: {what}, not {many}; those who could be it: "
                 + ", ".join(f"{p.pid} {p.status['Name']}" for p in processes))
    return found


def check_rights(what, p, session, ids, mine):
    user, caps, nnp, seccomp, where, oom = TABLE[what]
    if caps == KEEPER and not mine >> NUMBER["sys_resource"] & 1 and \
            resource.getrlimit(resource.RLIMIT_MEMLOCK)[1] != resource.RLIM_INFINITY:
        caps += " ipc_lock"
    uid, gid, groups = ids[user]
    mask = sum(1 << NUMBER[c] for c in caps.split()) & mine
    expect(f"{what}: Uid", p.status["Uid"].split(), [uid] * 4)
    expect(f"{what}: Gid", p.status["Gid"].split(), [gid] * 4)
    expect(f"{what}: Groups", p.status["Groups"].split(), groups)
    for c in ("CapPrm", "CapEff", "CapBnd"):
        expect(f"{what}: {c}", f"{p.cap(c):x}", f"{mask:x}")
    expect(f"{what}: CapInh", p.cap("CapInh"), 0)
    expect(f"{what}: CapAmb", p.cap("CapAmb"), 0)
    expect(f"{what}: NoNewPrivs", int(p.status["NoNewPrivs"]), nnp)
    expect(f"{what}: Seccomp", int(p.status["Seccomp"]), seccomp)
    expect(f"{what}: session", p.session, p.pid if where == "own" else session[where])
    expect(f"{what}: oom_score_adj", p.oom, oom if mine >> NUMBER["sys_resource"] & 1 else 0)


def check_hard_to_starve(p, mine):
    """FIFO 90, and all of it in memory: every mapping but the kernel's own is locked."""
    if mine >> NUMBER["sys_nice"] & 1:
        expect("keeper: policy", int(p.stat[41]), SCHED_FIFO)
        expect("keeper: real-time priority", int(p.stat[40]), 90)
    if any("/libasan" in m for m in p.maps()):
        return  # its mlockall does nothing
    expect("keeper: VmLck is 0", p.status["VmLck"] == "0 kB", False)
    for part in re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", read(f"/proc/{p.pid}/smaps"), flags=re.M)[1:]:
        head = part.splitlines()[0]
        flags = re.search(r"^VmFlags: (.*)$", part, re.M)[1].split()
        if "lo" not in flags and "[v" not in head:
            wrong.append(f"keeper: not locked: {head}")


def check_alone(holders):
    """What a holder owns through a socket or a file is in no other process of the machine."""
    where = {}
    for fd in glob.glob("/proc/[0-9]*/fd/*"):
        try:
            where.setdefault(os.readlink(fd), set()).add(int(fd.split("/")[2]))
        except OSError:
            pass
    for h in holders:
        for link in h.fds().values():
            if link.startswith("socket:[") or "/disk/" in link:
                expect(f"holder {h.pid}: who else has {link}", where.get(link, set()) - {h.pid}, set())


def check_cloexec(what, p):
    for fd, link in p.fds().items():
        if fd > 2 and re.match(r"socket:|.*/(journal|lock|locks/.*|netns/.*|memfd:.*)$", link):
            flags = int(re.search(r"^flags:\s*(\d+)", read(f"/proc/{p.pid}/fdinfo/{fd}"), re.M)[1], 8)
            expect(f"{what}: descriptor {fd}, {link}, closes at exec", bool(flags & os.O_CLOEXEC), True)


def check_maps(what, p, none, some=()):
    libs = {os.path.basename(m) for m in p.maps()}
    for name in none:
        expect(f"{what}: in memory", sorted(lib for lib in libs if lib.startswith("lib" + name)), [])
    for name in some:  # else this looks at the wrong process
        expect(f"{what}: has lib{name}", any(lib.startswith("lib" + name) for lib in libs), True)


def main():
    run, victim, folder, build, uid, gid, groups = sys.argv[1:8]
    me = Process(os.getpid())
    ids = {"root": ("0", "0", me.status["Groups"].split()), "probe": (uid, gid, groups.split())}
    mine = me.cap("CapPrm")
    runner = Process(int(run))

    # a prober, a launcher and a keeper; below that a spare and one holder for each fault; nobody else
    below = runner.children()
    the("children of the runner", 3, below, lambda p: True)
    [prober] = the("prober", 1, below, lambda p: p.exe() == f"{build}/brink-prober")
    [launcher] = the("launcher", 1, below, lambda p: p.exe() == f"{build}/brink")
    [keeper] = the("keeper", 1, below, lambda p: p.exe() == f"{build}/brink-keeper")
    kept = keeper.children()
    the("children of the keeper", 5, kept, lambda p: p.exe() == f"{build}/brink-keeper")
    [spare] = the("spare", 1, kept, lambda p: p.has_open("/journal$"))
    holders = the("holders", 4, kept, lambda p: p is not spare)
    drops = the("holders of an nft table", 2, holders, Process.has_nft_socket)
    tracer = Process(int(victim)).status["TracerPid"]
    [pause] = the("holder of the pause", 1, holders, lambda p: str(p.pid) == tracer)
    [fill] = the("holder of the fill", 1, holders, lambda p: p.has_open(f"^{folder}/disk/"))
    the("holders of one fault each", 4, list({p.pid: p for p in drops + [pause, fill]}.values()), lambda p: True)
    for p in [prober, spare] + holders:
        expect(f"children of {p.status['Name']} {p.pid}", [c.pid for c in p.children()], [])
    look = re.split(r"^(?=Name:)", read(f"{folder}/look/seen"), flags=re.M)[1:]
    command, warden = Process(0, look[0]), Process(0, look[1])
    expect("warden: parent", int(warden.status["PPid"]), launcher.pid)
    expect("command: parent", int(command.status["PPid"]), warden.pid)

    session = {"caller": me.session, "keeper": keeper.pid}
    named = [("runner", runner), ("prober", prober), ("launcher", launcher), ("warden", warden),
             ("command", command), ("keeper", keeper), ("spare", spare), ("holder of proc.pause", pause),
             ("holder of disk.fill", fill)] + [("holder of net.drop", d) for d in drops]
    for what, p in named:
        check_rights(what, p, session, ids, mine)
    check_hard_to_starve(keeper, mine)
    check_alone(holders)
    for what, p in named:
        if p not in (command, warden, prober, launcher):
            check_cloexec(what, p)
    for p in [keeper, spare] + holders:
        check_maps(p.status["Name"], p, ("yaml", "curl", "jansson", "nss_", "resolv", "ssl", "gnutls"), ("nl-",))
    for what, p in (("runner", runner), ("launcher", launcher)):
        check_maps(what, p, ("curl", "ssl", "gnutls"), ("yaml",))
    check_maps("prober", prober, ("yaml", "jansson", "nl-"), ("curl",))
    for line in wrong:
        print("FAIL: " + line)
    sys.exit(bool(wrong))


main()
