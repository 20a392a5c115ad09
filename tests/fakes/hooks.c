/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linked into build/hooked/: brink's own objects with these between them and the C library. Not by
 * LD_PRELOAD: the prober is started with an empty environment on purpose. What is hooked is said in
 * the page of hooks.h; --wrap (see the Makefile) says where the undo path of each process begins:
 *   keeper    when every holder is born and it has taken its filter: before that nothing was fired
 *   spare     when it has all that it needs, before the first change
 *   holder    when it is told to close its gate
 *   recovery  when it has what its undos need, until the record is closed
 * It ends when the timer in PID 1 is to be disarmed: then everything is restored and written down.
 */
#include "tests/fakes/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/magic.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "safety/deadman.h"
#include "safety/keeper.h"
#include "safety/recover.h"
#include "safety/sandbox.h"

#define EXPORT __attribute__((visibility("default")))
#define WEAK   __attribute__((weak)) /* not every executable has it */

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t alignment, size_t n);
extern const char __executable_start[], etext[];

#define STACK_WORDS 1500 /* of a crash are looked at */

static struct hooks *hooks; /* NULL: nothing is hooked */
static enum hook_role role;
static bool on_undo_path, in_library;

/* Ends the process as a crash would; the page says why. Formats without the C library's streams. */
static void violated(const char *what, const char *detail, const void *from)
{
	static const char *const roles[] = HOOK_ROLES;

	on_undo_path = false;
	if (atomic_fetch_add(&hooks->violations, 1) == 0)
		snprintf(hooks->violation, sizeof(hooks->violation), "%s: %s %.60s from 0x%lx",
			 roles[role], what, detail,
			 (unsigned long)((const char *)from - __executable_start));
	abort();
}

/* True: this allocation is the one that fails. */
static bool alloc_fails(const char *what, const void *from)
{
	uint32_t n;

	if (!hooks || role == ROLE_NONE)
		return false;
	if (on_undo_path)
		violated(what, "", from);
	if (in_library)
		return false;
	n = atomic_fetch_add(&hooks->allocs[role], 1) + 1;
	if (hooks->fail_role == role && n < HOOK_SITES)
		hooks->site[n] = (uintptr_t)from;
	if (hooks->fail_role != role || !hooks->fail_at || n < hooks->fail_at ||
	    (n > hooks->fail_at && !hooks->fail_forever))
		return false;
	atomic_fetch_add(&hooks->failed, 1);
	errno = ENOMEM;
	return true;
}

EXPORT void *malloc(size_t n)
{
	return alloc_fails("malloc", __builtin_return_address(0)) ? NULL : __libc_malloc(n);
}

EXPORT void *calloc(size_t n, size_t size)
{
	return alloc_fails("calloc", __builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

EXPORT void *realloc(void *p, size_t n)
{
	return alloc_fails("realloc", __builtin_return_address(0)) ? NULL : __libc_realloc(p, n);
}

EXPORT void *aligned_alloc(size_t alignment, size_t n)
{
	if (alloc_fails("aligned_alloc", __builtin_return_address(0)))
		return NULL;
	return __libc_memalign(alignment, n);
}

EXPORT int posix_memalign(void **ret, size_t alignment, size_t n)
{
	if (alloc_fails("posix_memalign", __builtin_return_address(0)))
		return ENOMEM;
	*ret = __libc_memalign(alignment, n);
	return *ret ? 0 : ENOMEM;
}

EXPORT void *mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
	if ((flags & MAP_ANONYMOUS) && hooks && on_undo_path)
		violated("mmap", "", __builtin_return_address(0));
	return (void *)syscall(SYS_mmap, at, n, prot, flags, fd, offset);
}

/* File systems that live in memory: what is not one of these stands on a disk. */
static bool is_disk(int fd)
{
	static const unsigned long memory[] = { PROC_SUPER_MAGIC,    SYSFS_MAGIC,
						TMPFS_MAGIC,         RAMFS_MAGIC,
						NSFS_MAGIC,          CGROUP_SUPER_MAGIC,
						CGROUP2_SUPER_MAGIC, DEVPTS_SUPER_MAGIC };
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return false;
	for (size_t i = 0; i < sizeof(memory) / sizeof(memory[0]); i++) {
		if ((unsigned long)fs.f_type == memory[i])
			return false;
	}
	return true;
}

static bool open_fails(const char *path)
{
	size_t n = hooks ? strlen(hooks->open_end) : 0, len = strlen(path);

	if (!n || hooks->open_role != role || len < n ||
	    strcmp(path + len - n, hooks->open_end) != 0)
		return false;
	atomic_fetch_add(&hooks->refused, 1);
	errno = hooks->open_errno;
	return true;
}

static int checked_open(int at, const char *path, int flags, unsigned mode, const void *from)
{
	int fd;

	if (open_fails(path))
		return -1;
	fd = (int)syscall(SYS_openat, at, path, flags, mode);
	if (fd < 0 || !hooks || !on_undo_path)
		return fd;
	if (is_disk(fd))
		violated("open of", path, from);
	atomic_fetch_add(&hooks->opened, 1);
	return fd;
}

#define MODE_OF(flags)                                 \
	({                                             \
		unsigned mode_ = 0;                    \
		va_list ap_;                           \
		va_start(ap_, flags);                  \
		if ((flags) & (O_CREAT | O_TMPFILE))   \
			mode_ = va_arg(ap_, unsigned); \
		va_end(ap_);                           \
		mode_;                                 \
	})

EXPORT int open(const char *path, int flags, ...)
{
	return checked_open(AT_FDCWD, path, flags, MODE_OF(flags), __builtin_return_address(0));
}

EXPORT int open64(const char *path, int flags, ...)
{
	return checked_open(AT_FDCWD, path, flags, MODE_OF(flags), __builtin_return_address(0));
}

EXPORT int openat(int at, const char *path, int flags, ...)
{
	return checked_open(at, path, flags, MODE_OF(flags), __builtin_return_address(0));
}

EXPORT int openat64(int at, const char *path, int flags, ...)
{
	return checked_open(at, path, flags, MODE_OF(flags), __builtin_return_address(0));
}

EXPORT int execve(const char *path, char *const argv[], char *const env[])
{
	if (hooks && on_undo_path)
		violated("exec of", path, __builtin_return_address(0));
	return (int)syscall(SYS_execve, path, argv, env);
}

EXPORT int execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

EXPORT int execveat(int at, const char *path, char *const argv[], char *const env[], int flags)
{
	if (hooks && on_undo_path)
		violated("exec of", path, __builtin_return_address(0));
	return (int)syscall(SYS_execveat, at, path, argv, env, flags);
}

static bool is_netlink(int fd)
{
	int domain = 0;
	socklen_t len = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_NETLINK;
}

static bool answer_fails(int fd)
{
	if (!hooks || !hooks->netlink_errno || hooks->netlink_role != role || !is_netlink(fd))
		return false;
	atomic_fetch_add(&hooks->refused, 1);
	errno = hooks->netlink_errno;
	return true;
}

EXPORT ssize_t recvfrom(int fd, void *buf, size_t n, int flags, struct sockaddr *from,
			socklen_t *from_len)
{
	if (answer_fails(fd))
		return -1;
	return syscall(SYS_recvfrom, fd, buf, n, flags, from, from_len);
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
	if (answer_fails(fd))
		return -1;
	return syscall(SYS_recvmsg, fd, m, flags);
}

static void become(enum hook_role r)
{
	role = r;
	on_undo_path = false;
}

/* Its processes name themselves when they begin. */
EXPORT int prctl(int option, ...)
{
	static const struct {
		const char *name;
		enum hook_role role;
	} names[] = { { "brink-spare", ROLE_SPARE },
		      { "brink-holder", ROLE_HOLDER },
		      { "brink-launcher", ROLE_LAUNCHER },
		      { "brink-warden", ROLE_WARDEN } };
	unsigned long a[4];
	va_list ap;

	va_start(ap, option);
	for (int i = 0; i < 4; i++)
		a[i] = va_arg(ap, unsigned long);
	va_end(ap);
	for (size_t i = 0; option == PR_SET_NAME && i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp((const char *)a[0], names[i].name) == 0)
			become(names[i].role);
	}
	return (int)syscall(SYS_prctl, option, a[0], a[1], a[2], a[3]);
}

/*
 * A crash must be seen, not taken for a death that somebody wanted. Says the addresses of brink's
 * own code that lie on the stack, for addr2line(1): some of them are those of the callers.
 */
static void crashed(int sig)
{
	static const char *const roles[] = HOOK_ROLES;
	const uintptr_t *stack = __builtin_frame_address(0);
	size_t at;

	if (atomic_fetch_add(&hooks->crashes, 1) == 0) {
		at = (size_t)snprintf(hooks->crash, sizeof(hooks->crash), "%s: signal %d",
				      roles[role], sig);
		for (int i = 0; i < STACK_WORDS && at + 10 < sizeof(hooks->crash); i++) {
			if (stack[i] > (uintptr_t)__executable_start && stack[i] < (uintptr_t)etext)
				at += (size_t)
					snprintf(hooks->crash + at, sizeof(hooks->crash) - at,
						 " %lx",
						 (unsigned long)(stack[i] -
								 (uintptr_t)__executable_start));
		}
	}
	signal(sig, SIG_DFL);
	raise(sig);
}

static const int deadly[] = { SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL };

EXPORT int sigprocmask(int how, const sigset_t *set, sigset_t *ret_old)
{
	sigset_t mine;

	if (hooks && set && how != SIG_UNBLOCK) {
		mine = *set;
		for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
			sigdelset(&mine, deadly[i]);
		set = &mine;
	}
	return pthread_sigmask(how, set, ret_old) ? -1 : 0;
}

static void forked(void)
{
	if (role == ROLE_RUNNER)
		role = ROLE_LAUNCHER;
}

static void watch(void)
{
	if (!hooks || !hooks->undo_path)
		return;
	atomic_fetch_add(&hooks->watched[role], 1);
	on_undo_path = true;
}

/* What a careless programmer would do there. */
static void misbehave(void)
{
	static char *argv[] = { NULL };
	void *p = NULL;

	if (!hooks || !on_undo_path || hooks->misdeed_role != role)
		return;
	switch (hooks->misdeed) {
	case DEED_MALLOC:
		p = malloc(16);
		break;
	case DEED_MMAP:
		p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		break;
	case DEED_OPEN:
		open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		break;
	case DEED_EXEC:
		execve("/bin/true", argv, argv);
		break;
	default:
		break;
	}
	__asm__ volatile("" : : "r"(p));
}

/*
 * Without memory glibc 2.36 crashes in its name service (getpwnam) and libseccomp 2.5.4 in
 * seccomp_load: neither is ours, both are called before any change, by the runner and by what it
 * starts, whose death ends the run. Their allocations are spared.
 */
struct passwd *__real_getpwnam(const char *name);
struct passwd *__wrap_getpwnam(const char *name);
struct passwd *__wrap_getpwnam(const char *name)
{
	struct passwd *r;

	in_library = true;
	r = __real_getpwnam(name);
	in_library = false;
	return r;
}

struct passwd *__real_getpwuid(uid_t uid);
struct passwd *__wrap_getpwuid(uid_t uid);
struct passwd *__wrap_getpwuid(uid_t uid)
{
	struct passwd *r;

	in_library = true;
	r = __real_getpwuid(uid);
	in_library = false;
	return r;
}

struct group *__real_getgrnam(const char *name);
struct group *__wrap_getgrnam(const char *name);
struct group *__wrap_getgrnam(const char *name)
{
	struct group *r;

	in_library = true;
	r = __real_getgrnam(name);
	in_library = false;
	return r;
}

int __real_getgrouplist(const char *name, gid_t gid, gid_t *ret, int *ret_n);
int __wrap_getgrouplist(const char *name, gid_t gid, gid_t *ret, int *ret_n);
int __wrap_getgrouplist(const char *name, gid_t gid, gid_t *ret, int *ret_n)
{
	int r;

	in_library = true;
	r = __real_getgrouplist(name, gid, ret, ret_n);
	in_library = false;
	return r;
}

WEAK int __real_seccomp_load(void *filter);
int __wrap_seccomp_load(void *filter);
int __wrap_seccomp_load(void *filter)
{
	int r;

	in_library = true;
	r = __real_seccomp_load(filter);
	in_library = false;
	return r;
}

/* Keeper and spare take their filter as the last thing before they only wait and take back. */
int __real_sandbox_allow(enum sandbox_kind kind, const struct call_rule *const *more, size_t n,
			 struct err *e);
int __wrap_sandbox_allow(enum sandbox_kind kind, const struct call_rule *const *more, size_t n,
			 struct err *e);
int __wrap_sandbox_allow(enum sandbox_kind kind, const struct call_rule *const *more, size_t n,
			 struct err *e)
{
	int rc = __real_sandbox_allow(kind, more, n, e);

	if (rc == 0 && (kind == SANDBOX_KEEPER || kind == SANDBOX_SPARE))
		watch();
	return rc;
}

WEAK int __real_recover_ready(const struct journal *j, struct err *e);
int __wrap_recover_ready(const struct journal *j, struct err *e);
int __wrap_recover_ready(const struct journal *j, struct err *e)
{
	int rc = __real_recover_ready(j, e);

	if (role == ROLE_RECOVER) /* the spare makes ready, too, and is not finished with that */
		watch();
	return rc;
}

/* Called by whoever undoes, once for each change. */
WEAK int __real_journal_put(struct journal *j, unsigned i, struct err *e);
int __wrap_journal_put(struct journal *j, unsigned i, struct err *e);
int __wrap_journal_put(struct journal *j, unsigned i, struct err *e)
{
	if (j->slot[i].state == SLOT_RESTORED)
		misbehave();
	return __real_journal_put(j, i, e);
}

WEAK int __real_deadman_disarm(const struct systemd_host *h, const char *run_id, struct err *e);
int __wrap_deadman_disarm(const struct systemd_host *h, const char *run_id, struct err *e);
int __wrap_deadman_disarm(const struct systemd_host *h, const char *run_id, struct err *e)
{
	on_undo_path = false;
	return __real_deadman_disarm(h, run_id, e);
}

/* The end of one run's recovery: the next one is read. */
WEAK void __real_journal_done(struct journal *j);
void __wrap_journal_done(struct journal *j);
void __wrap_journal_done(struct journal *j)
{
	on_undo_path = false;
	__real_journal_done(j);
}

WEAK int __real_proto_recv(int fd, void *ret_msg, size_t size);
int __wrap_proto_recv(int fd, void *ret_msg, size_t size);
int __wrap_proto_recv(int fd, void *ret_msg, size_t size)
{
	int rc = __real_proto_recv(fd, ret_msg, size);
	const struct hmsg *m = ret_msg;

	if (rc == 1 && role == ROLE_HOLDER && m->type == HMSG_QUIET)
		watch();
	return rc;
}

WEAK int __real_proto_send(int fd, const void *msg, size_t size, bool wait);
int __wrap_proto_send(int fd, const void *msg, size_t size, bool wait);
int __wrap_proto_send(int fd, const void *msg, size_t size, bool wait)
{
	const struct hmsg *m = msg;

	if (hooks && role == ROLE_HOLDER &&
	    ((m->type == HMSG_ARM && hooks->stop_armed) ||
	     (m->type == HMSG_FIRE && hooks->stop_fired)) &&
	    m->code == 0) {
		atomic_fetch_add(&hooks->stopped, 1);
		raise(SIGSTOP);
	}
	return __real_proto_send(fd, msg, size, wait);
}

static enum hook_role role_of(int argc, char **argv)
{
	const char *name = program_invocation_short_name;

	if (strcmp(name, "brink") == 0)
		return ROLE_RUNNER;
	if (strcmp(name, "brink-prober") == 0)
		return ROLE_PROBER;
	if (strcmp(name, "brink-keeper") == 0)
		return argc > 1 && strcmp(argv[1], "recover") == 0 ? ROLE_RECOVER : ROLE_KEEPER;
	return ROLE_NONE;
}

__attribute__((constructor)) static void hook(int argc, char **argv)
{
	int fd = (int)syscall(SYS_openat, AT_FDCWD, HOOKS_FILE, O_RDWR | O_CLOEXEC);
	struct hooks *h;

	if (fd < 0)
		return;
	h = (void *)syscall(SYS_mmap, NULL, sizeof(*h), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (h == MAP_FAILED || h->magic != HOOKS_MAGIC)
		return;
	pthread_atfork(NULL, NULL, forked);
	for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
		signal(deadly[i], crashed);
	role = role_of(argc, argv);
	hooks = h;
}
