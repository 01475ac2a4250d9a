/* SPDX-License-Identifier: MIT */
/*
 * `mmfence check --junit': what a parser makes of the file, whatever was found and whatever the
 * command is called; and that a file that cannot be written is no success.
 */
#include <stdio.h>
#include <string.h>

#include "forged.h"
#include "runner.h"

/* The counts, and a line for each case. */
#define READ_JUNIT                                                                              \
	"import xml.etree.ElementTree as t\n"                                                   \
	"r = t.parse('junit.xml').getroot()\n"                                                  \
	"s = r.find('testsuite')\n"                                                             \
	"for e in r, s: print(*[e.get(k) for k in ('tests','failures','errors','skipped')])\n"  \
	"print(s.get('name').encode('ascii', 'backslashreplace').decode())\n"                   \
	"float(s.get('time')); assert len(s.get('timestamp')) == 19 and s.get('hostname')\n"    \
	"for c in s.findall('testcase'):\n"                                                     \
	" assert c.get('classname') == 'mmfence.check'; float(c.get('time'))\n"                 \
	" f = c.find('failure')\n"                                                              \
	" k = 'fail' if f is not None else 'skip' if c.find('skipped') is not None else 'ok'\n" \
	" print(c.get('name'), k, f.get('message') + '|' + (f.text or '') if f is not None else '')\n"

/* What is printed is what was read; the status is the check's. */
#define JUNIT(options)                                                                          \
	"$mmfence check --junit junit.xml " options " -- \"$0\" \"$@\"; s=$?; python3 -X utf8 " \
	"read.py || exit 99; exit $s"
#define READER TEXT("read.py", READ_JUNIT)

#define ALL_OK                                                                              \
	"sigbus ok \nnonlinear ok \npressure ok \nselfmem ok \nunprotected ok \ntorn ok \n" \
	"lost ok \ndrift ok \ngap ok \ncommand ok \nlog ok \n"

RUNS(BY_PATH, check, junit_of_a_check_that_passed, .sh = JUNIT(""), .args = { "true" },
     .files = { READER }, .says = "11 0 0 0\n11 0 0 0\ntrue\n" ALL_OK)

#define APPEND_AND_FAIL "cat forged >>\"$MMFENCE_AUDIT_LOG\"; exit 3"

RUNS(BY_PATH, check, junit_of_a_check_that_failed, .sh = JUNIT("--fail-on rewire,lost"),
     .args = { "sh", "-c", APPEND_AND_FAIL }, .ends_with = FOUND,
     .files = { READER,
		TEXT("forged",
		     FORGED("snapshot.lost", "file", "error",
			    ",\"file\":{\"path\":\"/a/<&\\\"'>\\u0001\\uffff\\u00e9\"},\"error\":{"
			    "\"message\":\"]]>\"}")) },
     .says = "4 2 0 0\n4 2 0 0\nsh -c " APPEND_AND_FAIL "\nrewire ok \n"
	     "lost fail 1 finding: a snapshot did not last|snapshot lost: ]]>, 1 time, "
	     "/a/<&\"'>????\u00e9, pid 77 (forged)\n\n"
	     "command fail exit status 3|\nlog ok \n")

/* Arguments are bytes; XML has not all characters. */
RUNS(BY_PATH, check, junit_of_a_command_with_strange_bytes, .sh = JUNIT("-o audit.drift=off"),
     .args = { "true", "<a&b>\"'\x01\x1b\n\xff\xc3\xa9\xed\xa0\x80\xef\xbf\xbf\xc0\x80\xf0" },
     .files = { READER },
     .says = "11 0 0 1\n11 0 0 1\ntrue <a&b>\"'????\\xe9?????????\n"
	     "sigbus ok \nnonlinear ok \npressure ok \nselfmem ok \nunprotected ok \ntorn "
	     "ok \nlost ok \ndrift skip \ngap ok \ncommand ok \nlog ok \n")

#define TEN(text) text text text text text text text text text text

RUNS(BY_PATH, check, junit_replaces_an_older_one, .sh = JUNIT(""), .args = { "true" },
     .files = { READER, TEXT("junit.xml", TEN(TEN(TEN("</an old and longer report>\n")))) },
     .says = "11 0 0 0\n11 0 0 0\ntrue\n" ALL_OK)

REFUSES(check, junit_that_cannot_be_made_starts_nothing,
	"check --junit nowhere/junit.xml -- touch started",
	"mmfence: --junit nowhere/junit.xml: No such file or directory\n")

/* A log that was there is not lost. */
BY_PATH(check, junit_in_the_place_of_the_log_starts_nothing)
{
	static const char refusal[] = "mmfence: --junit log: it is the log\n";

	TRY(.mmfence = "check --junit log --log log -- touch started", .refuses = refusal);
	TRY(.sh = "umask 077; ! $mmfence check --junit log --log log -- true && [ ! -e log ]",
	    .complains = refusal);
	TRY(.sh = "echo {} >log; ! $mmfence check --junit log --log log; cat log", .says = "{}\n",
	    .complains = refusal);
}

/* Nothing is left behind where nothing was started. */
REFUSES(check, no_junit_without_a_log, "check --junit junit.xml --log nowhere/log -- touch started",
	"nowhere/log cannot be created: No such file or directory\n")

BY_PATH(check, junit_that_does_not_fit_does_not_pass)
{
	TRY(.mmfence = "check --junit /dev/full -- true", .ends_with = 1,
	    .warns = { "mmfence: --junit /dev/full: No space left on device\n" });
	TRY(.mmfence = "check --junit /dev/full" APPEND, HAS_FORGED(FORGED_SIGBUS),
	    .ends_with = FOUND);
}
