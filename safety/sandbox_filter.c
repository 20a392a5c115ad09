/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/sandbox.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

/* One argument that must have this value under this mask; mask 0 = any. */
struct arg_rule {
	const char *call;
	unsigned arg;
	uint64_t mask, value;
};

static void filter_free(scmp_filter_ctx *f)
{
	if (*f)
		seccomp_release(*f);
}

static int filter_err(int rc, const char *what, struct err *e)
{
	return err_set(e, -rc, "cannot build the system call filter: %s: %s", what, strerror(-rc));
}

/* A name that this architecture has not is no error: several lists in one. */
static int rule(scmp_filter_ctx f, uint32_t action, const struct arg_rule *a, struct err *e)
{
	int nr = seccomp_syscall_resolve_name(a->call);
	struct scmp_arg_cmp cmp = SCMP_CMP64(a->arg, SCMP_CMP_MASKED_EQ, a->mask, a->value);
	int r;

	if (nr == __NR_SCMP_ERROR) /* other negative ones: libseccomp resolves them for each
				      architecture */
		return 0;
	r = seccomp_rule_add_array(f, action, nr, a->mask ? 1 : 0, &cmp);
	return r && r != -EEXIST ? filter_err(r, a->call, e) : 0;
}

static int names(scmp_filter_ctx f, uint32_t action, const char *const *at, struct err *e)
{
	int r = 0;

	for (; *at && !r; at++)
		r = rule(f, action, &(struct arg_rule){ *at, 0, 0, 0 }, e);
	return r;
}

static int rules(scmp_filter_ctx f, uint32_t action, const struct arg_rule *at, struct err *e)
{
	int r = 0;

	for (; at->call && !r; at++)
		r = rule(f, action, at, e);
	return r;
}

static int load(scmp_filter_ctx f, struct err *e)
{
	int r = seccomp_attr_set(f, SCMP_FLTATR_API_SYSRAWRC, 1);

	if (!r)
		r = seccomp_load(f);
	return r ? err_set(e, -r, "cannot load the system call filter: %s", strerror(-r)) : 0;
}

/*
 * libcurl 7.74 to 8 with OpenSSL or GnuTLS, its resolver threads, glibc's name services and the
 * prober itself. Never: anything that starts a program, makes a process, changes the file system or
 * touches another process.
 */
static const char *const probe_calls[] = {
	/* memory and threads */
	"brk", "mmap", "mmap2", "munmap", "mremap", "mprotect", "madvise", "mlock", "munlock",
	"futex", "futex_time64", "membarrier", "rseq", "set_robust_list", "set_tid_address",
	"sched_yield", "sched_getaffinity", "getcpu", "gettid", "getpid", "getppid", "exit",
	"exit_group", "arch_prctl", "get_robust_list",
	/* signals */
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn", "sigaltstack",
	"restart_syscall",
	/* time and chance */
	"clock_gettime", "clock_gettime64", "clock_getres", "clock_nanosleep",
	"clock_nanosleep_time64", "nanosleep", "gettimeofday", "time", "times", "getrandom",
	"getrusage", "sysinfo", "uname", "timer_settime", "timer_settime64", "timerfd_settime",
	"timerfd_settime64", "timerfd_gettime",
	/* descriptors */
	"read", "readv", "pread64", "write", "writev", "close", "lseek", "_llseek", "fcntl",
	"fcntl64", "dup", "poll", "ppoll", "ppoll_time64", "select", "_newselect", "pselect6",
	"pselect6_time64", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "eventfd2",
	"pipe2", "pipe",
	/* files, to read only: see probe_args for open */
	"stat", "stat64", "lstat", "lstat64", "fstat", "fstat64", "newfstatat", "fstatat64",
	"statx", "access", "faccessat", "faccessat2", "readlink", "readlinkat", "getdents64",
	"getcwd", "statfs", "fstatfs",
	/* sockets; socket itself: probe_args */
	"socketpair", "connect", "bind", "getsockname", "getpeername", "getsockopt", "setsockopt",
	"sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg", "recvmmsg", "shutdown", "send",
	"recv",
	/* who am I */
	"getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid", NULL
};

#define OPEN_MASK (O_ACCMODE | O_CREAT | O_TRUNC)
#define ALL_BITS  0xffffffffu
#define PRCTL_VMA 0x53564d41 /* PR_SET_VMA: glibc 2.38 names its arenas */

static const struct arg_rule probe_args[] = {
	{ "open", 1, OPEN_MASK, O_RDONLY },
	{ "openat", 2, OPEN_MASK, O_RDONLY },
	{ "socket", 0, ALL_BITS, AF_INET },
	{ "socket", 0, ALL_BITS, AF_INET6 },
	{ "socket", 0, ALL_BITS, AF_UNIX },    /* name service daemons */
	{ "socket", 0, ALL_BITS, AF_NETLINK }, /* getaddrinfo asks for the own addresses */
	{ "ioctl", 1, ALL_BITS, FIONREAD },
	{ "ioctl", 1, ALL_BITS, FIONBIO },
	{ "ioctl", 1, ALL_BITS, TCGETS },
	{ "prctl", 0, ALL_BITS, PR_SET_NAME },
	{ "prctl", 0, ALL_BITS, PRCTL_VMA },
	{ "clone", 0, CLONE_THREAD, CLONE_THREAD }, /* never a process */
	{ "prlimit64", 2, UINT64_MAX, 0 },          /* read only: pthread_getattr_np */
	{ "ugetrlimit", 0, 0, 0 },
	{ "getrlimit", 0, 0, 0 },
	{ 0 },
};

int sandbox_allow_probe(struct err *e)
{
	AUTO(filter_free) scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
	static const struct arg_rule clone3 = { "clone3", 0, 0, 0 };
	int r;

	if (!f)
		return err_set(e, ENOMEM, "cannot build the system call filter");
	r = names(f, SCMP_ACT_ALLOW, probe_calls, e);
	if (!r)
		r = rules(f, SCMP_ACT_ALLOW, probe_args, e);
	if (!r) /* its flags are out of a filter's sight: glibc falls back to clone */
		r = rule(f, SCMP_ACT_ERRNO(ENOSYS), &clone3, e);
	return r ? r : load(f, e);
}

static const char *const denied_calls[] = {
	/* other processes */
	"ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd",
	"perf_event_open", "userfaultfd",
	/* mounts and namespaces */
	"mount", "umount", "umount2", "pivot_root", "chroot", "setns", "unshare", "open_tree",
	"move_mount", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr",
	/* the kernel and the machine */
	"bpf", "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module",
	"reboot", "swapon", "swapoff", "acct", "quotactl", "quotactl_fd", "sethostname",
	"setdomainname", "iopl", "ioperm", "syslog", "lookup_dcookie", "nfsservctl", "vhangup",
	"uselib",
	/* its clock */
	"settimeofday", "clock_settime", "clock_settime64", "clock_adjtime", "clock_adjtime64",
	"adjtimex", "stime",
	/* the rest */
	"keyctl", "add_key", "request_key", "open_by_handle_at", "io_uring_setup", "io_uring_enter",
	"io_uring_register", NULL
};

static const struct arg_rule denied_args[] = {
	{ "clone", 0, CLONE_NEWUSER, CLONE_NEWUSER },
	{ "clone", 0, CLONE_NEWNS, CLONE_NEWNS },
	{ "clone", 0, CLONE_NEWNET, CLONE_NEWNET },
	{ "clone", 0, CLONE_NEWPID, CLONE_NEWPID },
	{ "clone", 0, CLONE_NEWIPC, CLONE_NEWIPC },
	{ "clone", 0, CLONE_NEWUTS, CLONE_NEWUTS },
	{ "clone", 0, CLONE_NEWCGROUP, CLONE_NEWCGROUP },
	/* Typing into the user's terminal, which the command of `try` has. */
	{ "ioctl", 1, ALL_BITS, TIOCSTI },
	{ "ioctl", 1, ALL_BITS, TIOCLINUX },
	{ 0 },
};

/* Programs of the machine's other word size run under the same list instead of being killed. */
static int add_arches(scmp_filter_ctx f, struct err *e)
{
	static const uint32_t more[][2] = {
		{ SCMP_ARCH_X86_64, SCMP_ARCH_X86 },
		{ SCMP_ARCH_X86_64, SCMP_ARCH_X32 },
		{ SCMP_ARCH_AARCH64, SCMP_ARCH_ARM },
	};

	for (size_t i = 0; i < ARRAY_LEN(more); i++) {
		int r = more[i][0] == seccomp_arch_native() ? seccomp_arch_add(f, more[i][1]) : 0;

		if (r && r != -EEXIST)
			return filter_err(r, "architecture", e);
	}
	return 0;
}

int sandbox_deny_command(struct err *e)
{
	AUTO(filter_free) scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	static const struct arg_rule clone3 = { "clone3", 0, 0, 0 };
	int r;

	if (!f)
		return err_set(e, ENOMEM, "cannot build the system call filter");
	r = add_arches(f, e);
	if (!r)
		r = names(f, SCMP_ACT_ERRNO(EPERM), denied_calls, e);
	if (!r)
		r = rules(f, SCMP_ACT_ERRNO(EPERM), denied_args, e);
	if (!r)
		r = rule(f, SCMP_ACT_ERRNO(ENOSYS), &clone3, e);
	return r ? r : load(f, e);
}
