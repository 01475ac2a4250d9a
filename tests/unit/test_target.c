/* SPDX-License-Identifier: MIT */
/*
 * What audit.log may name: each sink, the numbers at their limits, and what is none.
 */
#include <criterion/criterion.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <sys/un.h>

#include "policy/target.h"

/* What stood there before is gone. */
static struct target parse(const char *value)
{
	struct target target;

	memset(&target, 0xff, sizeof(target));
	const char *wrong = target_parse(value, &target);
	cr_assert_null(wrong, "%s%s", value, wrong);
	return target;
}

static void refused(const char *value)
{
	struct target target;

	cr_expect_not_null(target_parse(value, &target), "%s is taken", value);
}

Test(target, words)
{
	cr_assert_eq(parse("syslog").medium, TARGET_SYSLOG);
	cr_assert_eq(parse("journal").medium, TARGET_JOURNAL);
	cr_assert_null(parse("journal").path);
	cr_assert_eq(parse("stderr").medium, TARGET_DESCRIPTOR);
	cr_assert_eq(parse("stderr").fd, 2);
	cr_assert_not(parse("stderr").pinned);
	refused("syslog:local0");
	refused("journal:");
	refused("stderr:x");
}

Test(target, descriptors)
{
	struct target target = parse("fd:0");

	cr_assert(target.medium == TARGET_DESCRIPTOR && target.fd == 0 && !target.pinned);
	cr_assert_eq(parse("fd:2147483647").fd, INT_MAX);
	target = parse("fd:19@4294967295:1:18446744073709551615");
	cr_assert(target.fd == 19 && target.pinned);
	cr_assert_eq(target.place.dev_major, UINT32_MAX);
	cr_assert_eq(target.place.dev_minor, 1);
	cr_assert_eq(target.place.inode, UINT64_MAX);
	refused("fd:");
	refused("fd:-1");
	refused("fd:3x");
	refused("fd:2147483648");
	refused("fd:3@");
	refused("fd:3@1:2");
	refused("fd:3@1:2:");
	refused("fd:3@1:2:3:4");
	refused("fd:3@4294967296:2:3");
	refused("fd:3@1:4294967296:3");
	refused("fd:3@1:2:18446744073709551616");
}

Test(target, sockets)
{
	struct sockaddr_un address;
	char value[5 + sizeof(address.sun_path) + 1] = "unix:/";

	cr_assert_str_eq(parse("unix:/run/x").path, "/run/x");
	cr_assert_eq(parse("unix:/run/x").medium, TARGET_UNIX);
	refused("unix:");
	refused("unix:run/x");
	memset(value + 6, 'x', sizeof(address.sun_path) - 2);
	cr_assert_eq(strlen(parse(value).path), sizeof(address.sun_path) - 1);
	value[strlen(value)] = 'x';
	refused(value);
}

Test(target, files)
{
	cr_assert_str_eq(parse("./journal").path, "./journal");
	cr_assert_eq(parse("/a/%p.%e.%h.%t.%%").medium, TARGET_FILE);
	cr_assert_eq(parse("a/syslog:local0").medium, TARGET_FILE);
	refused("/a/%x");
	refused("/a/%");
}
