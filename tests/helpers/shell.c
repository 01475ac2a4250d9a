/* SPDX-License-Identifier: MIT */
/*
 * P1: system and popen, in a program whose environment has no preload, leave the signal mask as it
 * was.
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
	return 0;
}
