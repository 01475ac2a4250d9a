/* SPDX-License-Identifier: MIT */
/* The program that does nothing: what is measured is its start and its end. */
int main(void)
{
	return 0;
}
