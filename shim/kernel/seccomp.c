/* SPDX-License-Identifier: MIT */
/*
 * What a seccomp filter does to calls of ours, read from its program. Only the number and the
 * architecture are known; where it asks for more, both ways are gone. Such programs only go
 * forwards.
 */
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "kernel/capability.h"

#ifdef __x86_64__
#define ARCHITECTURE AUDIT_ARCH_X86_64
#else
#define ARCHITECTURE AUDIT_ARCH_I386
#endif

#define NUMBERS	   512	/* no kernel has as many */
#define PENDING	   64	/* ways that are still to be gone */
#define STEPS_MOST 8192 /* in all, for one number */

/* Those that filters refuse, and mmfence never makes, or on the program's behalf alone. What is in
 * doubt is not here: a call too many in this list kills a program. */
static const int not_ours[] = {
	SYS_acct,
	SYS_add_key,
	SYS_adjtimex,
	SYS_chroot,
	SYS_clock_adjtime,
	SYS_clock_settime,
	SYS_delete_module,
	SYS_execve,
	SYS_finit_module,
	SYS_init_module,
	SYS_ioperm,
	SYS_iopl,
	SYS_kexec_load,
	SYS_keyctl,
	SYS_mbind,
	SYS_migrate_pages,
	SYS_modify_ldt,
	SYS_mount,
	SYS_move_pages,
	SYS_open_by_handle_at,
	SYS_perf_event_open,
	SYS_personality,
	SYS_pivot_root,
	SYS_process_vm_writev,
	SYS_ptrace,
	SYS_quotactl,
	SYS_reboot,
	SYS_request_key,
	SYS_set_mempolicy,
	SYS_setdomainname,
	SYS_sethostname,
	SYS_setns,
	SYS_settimeofday,
	SYS_swapoff,
	SYS_swapon,
	SYS_syslog,
	SYS_umount2,
	SYS_vhangup,
	SYS_bpf,
	SYS_execveat,
	SYS_io_uring_setup,
	SYS_io_uring_enter,
	SYS_io_uring_register,
};

static bool is_ours(int number)
{
	for (size_t i = 0; i < sizeof(not_ours) / sizeof(*not_ours); i++)
		if (not_ours[i] == number)
			return false;
	return true;
}

/* Where it is, and what is in the accumulator. */
struct filter_state {
	unsigned int at;
	bool known;
	unsigned int value;
};

static void load(struct filter_state *state, const struct sock_filter *in, int number)
{
	bool absolute = BPF_MODE(in->code) == BPF_ABS && BPF_SIZE(in->code) == BPF_W;

	state->known = true;
	if (BPF_MODE(in->code) == BPF_IMM)
		state->value = in->k;
	else if (absolute && in->k == offsetof(struct seccomp_data, nr))
		state->value = (unsigned int)number;
	else if (absolute && in->k == offsetof(struct seccomp_data, arch))
		state->value = ARCHITECTURE;
	else
		state->known = false;
}

static bool holds(const struct sock_filter *in, unsigned int value)
{
	switch (BPF_OP(in->code)) {
	case BPF_JEQ:
		return value == in->k;
	case BPF_JGT:
		return value > in->k;
	case BPF_JGE:
		return value >= in->k;
	default:
		return value & in->k;
	}
}

/* States that are still to be gone on from. */
struct states {
	struct filter_state state[PENDING];
	size_t count;
};

/* False: there are too many. */
static bool jump(struct filter_state *state, const struct sock_filter *in, struct states *pending)
{
	if (BPF_OP(in->code) == BPF_JA) {
		state->at += in->k;
		return true;
	}
	if (state->known && BPF_SRC(in->code) == BPF_K) {
		state->at += holds(in, state->value) ? in->jt : in->jf;
		return true;
	}
	if (pending->count == PENDING)
		return false;
	pending->state[pending->count] = *state;
	pending->state[pending->count++].at += in->jf;
	state->at += in->jt;
	return true;
}

static bool allows(const struct sock_filter *in)
{
	return BPF_RVAL(in->code) == BPF_K &&
	       (in->k == SECCOMP_RET_ALLOW || in->k == SECCOMP_RET_LOG);
}

/* From one state to the end. */
static bool goes_through(const struct sock_fprog *program, struct filter_state state, int number,
			 struct states *pending, int *steps)
{
	while (state.at < program->len && (*steps)++ < STEPS_MOST) {
		const struct sock_filter *in = &program->filter[state.at++];

		switch (BPF_CLASS(in->code)) {
		case BPF_RET:
			return allows(in);
		case BPF_LD:
			load(&state, in, number);
			break;
		case BPF_JMP:
			if (!jump(&state, in, pending))
				return false;
			break;
		case BPF_ALU:
		case BPF_MISC:
			state.known = false;
		}
	}
	return false;
}

bool seccomp_lets_through(const struct sock_fprog *program, int number)
{
	struct states pending = { .count = 1 };
	int steps = 0;

	pending.state[0] = (struct filter_state){ 0 };
	while (pending.count)
		if (!goes_through(program, pending.state[--pending.count], number, &pending,
				  &steps))
			return false;
	return true;
}

bool seccomp_spares_us(const struct sock_fprog *program)
{
	for (int number = 0; number < NUMBERS; number++)
		if (is_ours(number) && !seccomp_lets_through(program, number))
			return false;
	return true;
}
