/* SPDX-License-Identifier: MIT */
/*
 * Is to mmfence what Go's linker makes: the note of its build-id is in it. It does nothing.
 */
static const struct {
	unsigned int name_size, size, type;
	char name[4], id[8];
} note __attribute__((section(".note.go.buildid,\"a\",@note#"), used,
		      aligned(4))) = { 4, 8, 4, "Go", "1234567" };

int main(void)
{
	return 0;
}
