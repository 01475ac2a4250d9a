/* SPDX-License-Identifier: MIT */
/*
 * P1: system and popen, in a program whose environment has no preload, or cannot be read, leave the
 * signal mask as it was and answer as they do without us.
 */
#include "helper.h"

int main(void)
{
	sigset_t odd, now;

	clearenv();
	sigemptyset(&odd);
	sigaddset(&odd, SIGUSR1);
	sigaddset(&odd, SIGRTMIN + 5);
	sigaddset(&odd, SIGWINCH);
	must(!sigprocmask(SIG_SETMASK, &odd, NULL));
	int status = system("exit 3");
	promise(WIFEXITED(status) && WEXITSTATUS(status) == 3, "system: %#x", (unsigned int)status);
	must(!sigprocmask(SIG_SETMASK, NULL, &now));
	promise(!memcmp(&now, &odd, 8), "system changed the signal mask");
	FILE *output = popen("exit 4", "r");
	must(output);
	status = pclose(output);
	promise(WIFEXITED(status) && WEXITSTATUS(status) == 4, "popen: %#x", (unsigned int)status);
	must(!sigprocmask(SIG_SETMASK, NULL, &now));
	promise(!memcmp(&now, &odd, 8), "popen changed the signal mask");
	promise(system(NULL), "there is no shell");
	/* An environment that cannot be read is the kernel's to refuse. */
	environ = (char **)16;
	status = system("exit 3");
	environ = NULL;
	/* -1 before glibc 2.33 */
	promise(status == -1 || (WIFEXITED(status) && WEXITSTATUS(status) == 127), "system: %#x",
		(unsigned int)status);
	return 0;
}
