/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/sandbox_calls.h"

#include <linux/sched.h>
#include <linux/sockios.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define PRCTL_VMA 0x53564d41 /* PR_SET_VMA: glibc 2.38 names its arenas */

#define P    (1u << SANDBOX_PROBER)
#define R    (1u << SANDBOX_RUNNER)
#define K    (1u << SANDBOX_KEEPER)
#define S    (1u << SANDBOX_SPARE)
#define V    (1u << SANDBOX_RECOVERY)
#define H    (1u << SANDBOX_HOLDER)
#define ALL  (P | R | K | S | V | H)
#define OWN  (R | K | S | V | H) /* no foreign library works in these */
#define BACK (K | S | V)         /* those who take back */

/*
 * Prober: libcurl 7.74 to 8 with OpenSSL or GnuTLS, its resolver threads, glibc's name services.
 * Nobody but the recovery makes a file, nobody starts a program, makes a process, mounts, loads or
 * maps code: all of that lies before the filter. Names that an architecture has not are skipped.
 */
/* clang-format off */
const struct sandbox_row sandbox_table[] = {
	/* memory; only the prober loads libraries (name services) after its start */
	{ ALL, { "brk", ANY_ARG } },
	{ ALL, { "munmap", ANY_ARG } },
	{ ALL, { "mremap", ANY_ARG } },
	{ ALL, { "madvise", ANY_ARG } },
	{ P, { "mmap", ANY_ARG } },
	{ P, { "mmap2", ANY_ARG } },
	{ P, { "mprotect", ANY_ARG } },
	{ OWN, { "mmap", 2, PROT_EXEC, 0 } },
	{ OWN, { "mmap2", 2, PROT_EXEC, 0 } },
	{ OWN, { "mprotect", 2, PROT_EXEC, 0 } },
	{ P, { "mlock", ANY_ARG } }, /* keys of GnuTLS */
	{ P, { "munlock", ANY_ARG } },

	/* threads and the end */
	{ ALL, { "futex", ANY_ARG } },
	{ ALL, { "futex_time64", ANY_ARG } },
	{ ALL, { "rseq", ANY_ARG } },
	{ ALL, { "set_robust_list", ANY_ARG } },
	{ ALL, { "sched_yield", ANY_ARG } },
	{ ALL, { "exit", ANY_ARG } },
	{ ALL, { "exit_group", ANY_ARG } },
	{ P, { "clone", 0, CLONE_THREAD, CLONE_THREAD } }, /* never a process */
	{ P, { "membarrier", ANY_ARG } },
	{ P, { "set_tid_address", ANY_ARG } },
	{ P, { "get_robust_list", ANY_ARG } },
	{ P, { "sched_getaffinity", ANY_ARG } },
	{ P, { "getcpu", ANY_ARG } },
	{ P, { "arch_prctl", ANY_ARG } },
	{ ALL, { "prctl", 0, WHOLE_WORD, PRCTL_VMA } },
	{ P, { "prctl", 0, WHOLE_WORD, PR_SET_NAME } },

	/* who am I */
	{ ALL, { "getpid", ANY_ARG } },
	{ ALL, { "gettid", ANY_ARG } },
	{ ALL, { "getppid", ANY_ARG } },
	{ ALL, { "getuid", ANY_ARG } },
	{ ALL, { "geteuid", ANY_ARG } },
	{ ALL, { "getgid", ANY_ARG } },
	{ ALL, { "getegid", ANY_ARG } },
	{ P, { "getresuid", ANY_ARG } },
	{ P, { "getresgid", ANY_ARG } },
	{ P, { "uname", ANY_ARG } },
	{ ALL, { "sysinfo", ANY_ARG } }, /* qsort of glibc up to 2.36 */
	{ ALL, { "prlimit64", 2, UINT64_MAX, 0 } }, /* read only */
	{ ALL, { "ugetrlimit", ANY_ARG } },
	{ ALL, { "getrlimit", ANY_ARG } },
	{ P, { "getrusage", ANY_ARG } },

	/* signals; abort() sends one to its own process, see sandbox_allow() */
	{ ALL, { "rt_sigaction", ANY_ARG } },
	{ ALL, { "rt_sigprocmask", ANY_ARG } },
	{ ALL, { "rt_sigreturn", ANY_ARG } },
	{ ALL, { "sigreturn", ANY_ARG } },
	{ ALL, { "restart_syscall", ANY_ARG } },
	{ P, { "sigaltstack", ANY_ARG } },

	/* time and chance */
	{ ALL, { "clock_gettime", ANY_ARG } },
	{ ALL, { "clock_gettime64", ANY_ARG } },
	{ ALL, { "clock_nanosleep", ANY_ARG } },
	{ ALL, { "clock_nanosleep_time64", ANY_ARG } },
	{ ALL, { "nanosleep", ANY_ARG } },
	{ ALL, { "gettimeofday", ANY_ARG } },
	{ ALL, { "time", ANY_ARG } },
	{ ALL, { "getrandom", ANY_ARG } },
	{ P, { "clock_getres", ANY_ARG } },
	{ P, { "times", ANY_ARG } },
	{ P | H, { "timer_settime", ANY_ARG } }, /* the timer that ends the process */
	{ P | H, { "timer_settime64", ANY_ARG } },
	{ P, { "timerfd_settime", ANY_ARG } },
	{ P, { "timerfd_settime64", ANY_ARG } },
	{ P, { "timerfd_gettime", ANY_ARG } },

	/* descriptors that are open */
	{ ALL, { "read", ANY_ARG } },
	{ ALL, { "write", ANY_ARG } },
	{ ALL, { "writev", ANY_ARG } },
	{ ALL, { "close", ANY_ARG } },
	{ ALL, { "poll", ANY_ARG } },
	{ ALL, { "ppoll", ANY_ARG } },
	{ ALL, { "ppoll_time64", ANY_ARG } },
	{ ALL, { "sendto", ANY_ARG } },
	{ ALL, { "recvfrom", ANY_ARG } },
	{ ALL, { "send", ANY_ARG } },
	{ ALL, { "recv", ANY_ARG } },
	{ P | R, { "fcntl", ANY_ARG } },
	{ P | R, { "fcntl64", ANY_ARG } },
	{ P, { "readv", ANY_ARG } },
	{ P, { "dup", ANY_ARG } },
	{ P, { "select", ANY_ARG } },
	{ P, { "_newselect", ANY_ARG } },
	{ ALL, { "pselect6", ANY_ARG } }, /* where poll is refused: base/io.h */
	{ ALL, { "pselect6_time64", ANY_ARG } },
	{ P, { "epoll_create1", ANY_ARG } },
	{ P, { "epoll_ctl", ANY_ARG } },
	{ P, { "epoll_wait", ANY_ARG } },
	{ P, { "epoll_pwait", ANY_ARG } },
	{ P, { "eventfd2", ANY_ARG } },
	{ P, { "pipe", ANY_ARG } },
	{ P, { "pipe2", ANY_ARG } },
	{ P, { "ioctl", 1, WHOLE_WORD, FIONREAD } },
	{ P, { "ioctl", 1, WHOLE_WORD, FIONBIO } },
	{ P | R, { "ioctl", 1, WHOLE_WORD, TCGETS } },
	{ R, { "ioctl", 1, WHOLE_WORD, TIOCGWINSZ } }, /* the width of the picture */

	/* files, to read */
	{ P | R | BACK, { "open", 1, OPEN_BITS, O_RDONLY } },
	{ P | R | BACK, { "openat", 2, OPEN_BITS, O_RDONLY } },
	{ P | R | BACK, { "stat", ANY_ARG } },
	{ P | R | BACK, { "stat64", ANY_ARG } },
	{ P | R | BACK, { "lstat", ANY_ARG } },
	{ P | R | BACK, { "lstat64", ANY_ARG } },
	{ P | R | BACK, { "fstat", ANY_ARG } },
	{ P | R | BACK, { "fstat64", ANY_ARG } },
	{ P | R | BACK, { "newfstatat", ANY_ARG } },
	{ P | R | BACK, { "fstatat64", ANY_ARG } },
	{ P | R | BACK, { "statx", ANY_ARG } },
	{ P | R | BACK, { "lseek", ANY_ARG } },
	{ P | R | BACK, { "_llseek", ANY_ARG } },
	{ P | BACK, { "readlink", ANY_ARG } },
	{ P | BACK, { "readlinkat", ANY_ARG } },
	{ P | BACK, { "getdents64", ANY_ARG } },
	{ P | BACK, { "statfs", ANY_ARG } },
	{ P | BACK, { "statfs64", ANY_ARG } },
	{ P | BACK, { "fstatfs", ANY_ARG } },
	{ P | BACK, { "fstatfs64", ANY_ARG } },
	{ P | BACK, { "pread64", ANY_ARG } },
	{ P, { "access", ANY_ARG } },
	{ P, { "faccessat", ANY_ARG } },
	{ P, { "faccessat2", ANY_ARG } },
	{ P, { "getcwd", ANY_ARG } },

	/* the record: the journal and its lock are opened anew, never made, and at last removed */
	{ K | S, { "openat", 2, OPEN_NEW, 0 } },
	{ BACK, { "pwrite64", ANY_ARG } },
	{ BACK, { "fdatasync", ANY_ARG } },
	{ BACK, { "unlinkat", ANY_ARG } },
	{ BACK, { "ftruncate64", ANY_ARG } },
	{ BACK, { "ftruncate", ANY_ARG } }, /* who has a resource is written in its lock */
	{ V, { "openat", 2, O_TRUNC, 0 } }, /* makes the lock of a run that never had one */
	{ BACK, { "flock", ANY_ARG } },

	/* the namespace's links, qdiscs and rules are read at the end */
	{ P | BACK, { "socket", 0, WHOLE_WORD, AF_NETLINK } }, /* prober: getaddrinfo's addresses */
	{ P, { "socket", 0, WHOLE_WORD, AF_INET } },
	{ P, { "socket", 0, WHOLE_WORD, AF_INET6 } },
	{ P, { "socket", 0, WHOLE_WORD, AF_UNIX } }, /* name service daemons */
	{ P | BACK, { "bind", ANY_ARG } },
	{ P | BACK, { "getsockname", ANY_ARG } },
	{ P | BACK, { "getsockopt", ANY_ARG } },
	{ P | BACK, { "setsockopt", ANY_ARG } },
	{ P | BACK, { "sendmsg", ANY_ARG } },
	{ P | BACK, { "recvmsg", ANY_ARG } },
	{ P, { "connect", ANY_ARG } },
	{ P, { "getpeername", ANY_ARG } },
	{ P, { "socketpair", ANY_ARG } },
	{ P, { "sendmmsg", ANY_ARG } },
	{ P, { "recvmmsg", ANY_ARG } },
	{ P, { "shutdown", ANY_ARG } },
	{ K, { "accept4", ANY_ARG } }, /* brink halt */
	{ K, { "accept", ANY_ARG } },

	/* the other processes of the run: watched, ended when they hang, reaped */
	{ R | BACK, { "pidfd_send_signal", ANY_ARG } },
	{ S | V, { "pidfd_open", ANY_ARG } }, /* holders of a keeper that is dead */
	{ R | BACK, { "wait4", ANY_ARG } },
	{ R | BACK, { "waitid", ANY_ARG } },

#ifdef SANDBOX_SANITIZED
	/* LSan looks for leaks at exit, from a process that it clones; all but the runner leave by _exit() */
	{ R, { "clone", ANY_ARG } },
	{ R, { "ptrace", ANY_ARG } },
	{ R, { "wait4", ANY_ARG } },
	{ R, { "prctl", ANY_ARG } },
	{ R, { "kill", ANY_ARG } },
	{ R, { "tgkill", ANY_ARG } },
	{ R, { "getdents", ANY_ARG } },
	{ R, { "getdents64", ANY_ARG } },
	{ R, { "readlink", ANY_ARG } },
	{ R, { "sched_getaffinity", ANY_ARG } },
	{ R, { "ioctl", 1, WHOLE_WORD, TCGETS } },
	{ OWN, { "sigaltstack", ANY_ARG } },
#endif
	{ 0, { 0 } },
};

const struct call_rule sandbox_denied[] = {
	/* other processes */
	{ "ptrace", ANY_ARG }, { "process_vm_readv", ANY_ARG }, { "process_vm_writev", ANY_ARG },
	{ "process_madvise", ANY_ARG }, { "kcmp", ANY_ARG }, { "pidfd_getfd", ANY_ARG },
	{ "perf_event_open", ANY_ARG }, { "userfaultfd", ANY_ARG },
	/* mounts and namespaces */
	{ "mount", ANY_ARG }, { "umount", ANY_ARG }, { "umount2", ANY_ARG }, { "pivot_root", ANY_ARG },
	{ "chroot", ANY_ARG }, { "setns", ANY_ARG }, { "unshare", ANY_ARG }, { "open_tree", ANY_ARG },
	{ "move_mount", ANY_ARG }, { "fsopen", ANY_ARG }, { "fsconfig", ANY_ARG }, { "fsmount", ANY_ARG },
	{ "fspick", ANY_ARG }, { "mount_setattr", ANY_ARG },
	{ "clone", 0, CLONE_NEWUSER, CLONE_NEWUSER },
	{ "clone", 0, CLONE_NEWNS, CLONE_NEWNS },
	{ "clone", 0, CLONE_NEWNET, CLONE_NEWNET },
	{ "clone", 0, CLONE_NEWPID, CLONE_NEWPID },
	{ "clone", 0, CLONE_NEWIPC, CLONE_NEWIPC },
	{ "clone", 0, CLONE_NEWUTS, CLONE_NEWUTS },
	{ "clone", 0, CLONE_NEWCGROUP, CLONE_NEWCGROUP },
	/* the kernel and the machine */
	{ "bpf", ANY_ARG }, { "kexec_load", ANY_ARG }, { "kexec_file_load", ANY_ARG },
	{ "init_module", ANY_ARG }, { "finit_module", ANY_ARG }, { "delete_module", ANY_ARG },
	{ "reboot", ANY_ARG }, { "swapon", ANY_ARG }, { "swapoff", ANY_ARG }, { "acct", ANY_ARG },
	{ "quotactl", ANY_ARG }, { "quotactl_fd", ANY_ARG }, { "sethostname", ANY_ARG },
	{ "setdomainname", ANY_ARG }, { "iopl", ANY_ARG }, { "ioperm", ANY_ARG }, { "syslog", ANY_ARG },
	{ "lookup_dcookie", ANY_ARG }, { "nfsservctl", ANY_ARG }, { "vhangup", ANY_ARG },
	{ "uselib", ANY_ARG },
	/* its clock */
	{ "settimeofday", ANY_ARG }, { "clock_settime", ANY_ARG }, { "clock_settime64", ANY_ARG },
	{ "clock_adjtime", ANY_ARG }, { "clock_adjtime64", ANY_ARG }, { "adjtimex", ANY_ARG },
	{ "stime", ANY_ARG },
	/* the rest */
	{ "keyctl", ANY_ARG }, { "add_key", ANY_ARG }, { "request_key", ANY_ARG },
	{ "open_by_handle_at", ANY_ARG }, { "io_uring_setup", ANY_ARG }, { "io_uring_enter", ANY_ARG },
	{ "io_uring_register", ANY_ARG },
	/* typing into the user's terminal, which the command of `try` has */
	{ "ioctl", 1, WHOLE_WORD, TIOCSTI },
	{ "ioctl", 1, WHOLE_WORD, TIOCLINUX },
	{ 0 },
};
/* clang-format on */
