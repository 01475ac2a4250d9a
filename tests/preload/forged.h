/* SPDX-License-Identifier: MIT */
/*
 * Records as events.def has them, which the command under `mmfence check' appends to its log.
 */
#ifndef MMFENCE_TESTS_FORGED_H
#define MMFENCE_TESTS_FORGED_H

#define FOUND 86

#define FORGED(action, category, type, rest)                                                \
	"{\"@timestamp\":\"2026-01-02T03:04:05Z\",\"ecs\":{\"version\":\"8.11\"},"          \
	"\"event\":{\"kind\":\"event\",\"action\":\"" action "\",\"category\":[\"" category \
	"\"],\"type\":[\"" type "\"],\"outcome\":\"success\"},\"process\":{\"pid\":77,"     \
	"\"thread\":{\"id\":77},\"name\":\"forged\"}" rest "}\n"
#define AT_FILE ",\"file\":{\"path\":\"/a/file\"}"
#define STACK                                                                               \
	"\"stack\":[\"0x1234\"],\"modules\":[{\"path\":\"/b/module\",\"start\":\"0x1000\"," \
	"\"bias\":\"0x1000\"}]"

#define FORGED_SIGBUS                             \
	FORGED("mapping.sigbus", "file", "error", \
	       AT_FILE ",\"error\":{\"message\":\"beyond the end\"},\"mmfence\":{" STACK "}")
#define FORGED_RESCUE \
	FORGED("mapping.rescued", "file", "change", AT_FILE ",\"error\":{\"message\":\"zeros\"}")
#define FORGED_GAP                                \
	FORGED("coverage.gap", "process", "info", \
	       AT_FILE ",\"mmfence\":{\"gap\":{\"reason\":\"static\"}}")
#define FORGED_REWIRE FORGED("nonlinear.rewire", "process", "change", AT_FILE)

#define HAS_FORGED(records) .files = { TEXT("forged", records) }
#define APPEND		    " -- sh -c 'cat forged >>\"$MMFENCE_AUDIT_LOG\"'"

#endif
