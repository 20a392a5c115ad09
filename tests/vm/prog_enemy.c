/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a host may do to a run. For a guest that is thrown away, never for a machine in use. Each
 * ends by itself after SECONDS.
 *   prog_enemy eat SECONDS SCORE        processes that eat all memory, one after the other, with
 *                                       that OOM score; prints how many of them were killed
 *   prog_enemy thrash SECONDS FILE      reads FILE, which is larger than memory, again and again
 *   prog_enemy spin SECONDS PRIORITY    a SCHED_FIFO spinner on every CPU
 *   prog_enemy crowd SECONDS COUNT      so many runnable processes at nice -20
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHUNK     ((size_t)4 << 20)
#define READ_SIZE ((size_t)1 << 20)

static long seconds;

static long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static void set_score(const char *score)
{
	FILE *f = fopen("/proc/self/oom_score_adj", "we");

	if (!f || fprintf(f, "%s", score) < 0 || fclose(f) < 0)
		perror("oom_score_adj");
}

/* Until it is killed: what it has it keeps. */
static void eat_all(const char *score)
{
	set_score(score);
	for (;;) {
		char *p = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			       0);

		if (p != MAP_FAILED)
			memset(p, 0x55, CHUNK);
	}
}

static int eat(const char *score)
{
	long end = now() + seconds;
	unsigned killed = 0;

	while (now() < end) {
		int status = 0;
		pid_t pid = fork();

		if (pid < 0)
			continue;
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			eat_all(score);
		}
		while (waitpid(pid, &status, WNOHANG) == 0) {
			if (now() >= end)
				kill(pid, SIGTERM); /* not the OOM killer's way: not counted */
			usleep(10000);
		}
		killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	}
	printf("killed %u\n", killed);
	return 0;
}

static int thrash(const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	char *buf = malloc(READ_SIZE);
	long end = now() + seconds;

	if (fd < 0 || !buf) {
		perror(file);
		return 1;
	}
	while (now() < end) {
		ssize_t n = read(fd, buf, READ_SIZE);

		if (n < 0)
			return 1;
		if (n == 0)
			lseek(fd, 0, SEEK_SET);
	}
	return 0;
}

static void spin(long end)
{
	while (now() < end)
		;
	_exit(0);
}

static int spin_on(int cpu, int priority, long end)
{
	struct sched_param p = { .sched_priority = priority };
	cpu_set_t one;
	pid_t pid = fork();

	if (pid)
		return pid < 0 ? -1 : 0;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	CPU_ZERO(&one);
	CPU_SET((unsigned)cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one) < 0 ||
	    sched_setscheduler(0, SCHED_FIFO, &p) < 0)
		_exit(1);
	spin(end);
	return 0;
}

static int all_well(void)
{
	int status, rc = 0;

	while (wait(&status) > 0)
		rc |= status;
	return rc != 0;
}

/* The parent stays above its spinners, so that it is there to collect them. */
static int spinners(int priority)
{
	struct sched_param top = { .sched_priority = sched_get_priority_max(SCHED_FIFO) };
	long cpus = sysconf(_SC_NPROCESSORS_ONLN), end = now() + seconds;

	if (sched_setscheduler(0, SCHED_FIFO, &top) < 0) {
		perror("SCHED_FIFO");
		return 1;
	}
	for (int i = 0; i < cpus; i++) {
		if (spin_on(i, priority, end) < 0)
			return 1;
	}
	return all_well();
}

static int crowd(int count)
{
	long end = now() + seconds;

	for (int i = 0; i < count; i++) {
		pid_t pid = fork();

		if (pid < 0)
			return 1;
		if (pid)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (setpriority(PRIO_PROCESS, 0, -20) < 0)
			_exit(1);
		spin(end);
	}
	return all_well();
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fputs("see the comment at the top of prog_enemy.c\n", stderr);
		return 2;
	}
	seconds = atol(argv[2]);
	if (strcmp(argv[1], "eat") == 0)
		return eat(argv[3]);
	if (strcmp(argv[1], "thrash") == 0)
		return thrash(argv[3]);
	if (strcmp(argv[1], "spin") == 0)
		return spinners(atoi(argv[3]));
	if (strcmp(argv[1], "crowd") == 0)
		return crowd(atoi(argv[3]));
	return 2;
}
