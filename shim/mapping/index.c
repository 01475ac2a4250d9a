/* SPDX-License-Identifier: MIT */
/*
 * The interval treap of index.h: ordered by start, heap-ordered by a random
 * priority, built on split and merge.
 */
#include <errno.h>

#include "mapping/index.h"
#include "support/arena.h"

struct node {
	struct piece piece;
	uint32_t priority;
	struct node *left, *right;
};

/* A move cuts at both edges of its source and of its target; an addition makes one piece. */
#define SPARES 4

static struct node *root;
static struct node *spare; /* a list by right */
static size_t spare_count, node_count;

/* All pieces lie within; widened before a piece is added, and shrunk only when
 * the last is gone, so that a reader without the lock never misses one. */
static struct bounds bounds = BOUNDS_EMPTY;

bool index_may_touch(uintptr_t start, uintptr_t end)
{
	return bounds_touch(&bounds, start, end);
}

static uint32_t random_priority(void)
{
	static uint32_t state = 2463534242u;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

/* Nodes that start below address go left, the others right. */
static void split(struct node *tree, uintptr_t address, struct node **left, struct node **right)
{
	if (!tree) {
		*left = *right = NULL;
	} else if (tree->piece.start < address) {
		split(tree->right, address, &tree->right, right);
		*left = tree;
	} else {
		split(tree->left, address, left, &tree->left);
		*right = tree;
	}
}

static struct node *merge(struct node *left, struct node *right)
{
	if (!left || !right)
		return left ? left : right;
	if (left->priority > right->priority) {
		left->right = merge(left->right, right);
		return left;
	}
	right->left = merge(left, right->left);
	return right;
}

static void spare_put(struct node *node)
{
	node->right = spare;
	spare = node;
	spare_count++;
}

static int reserve(size_t count)
{
	while (spare_count < count) {
		struct node *node = arena_alloc(sizeof(*node));
		if (!node)
			return -ENOMEM;
		spare_put(node);
	}
	return 0;
}

int index_reserve(void)
{
	return reserve(SPARES);
}

int index_reserve_copy(uintptr_t start, uintptr_t end)
{
	size_t count = SPARES;
	struct piece piece;

	for (uintptr_t at = start; index_next(at, &piece) && piece.start < end; at = piece.end)
		count++;
	return reserve(count);
}

static struct node *node_new(const struct piece *piece)
{
	struct node *node = spare;

	spare = node->right;
	spare_count--;
	*node = (struct node){ .piece = *piece, .priority = random_priority() };
	node_count++;
	return node;
}

static void node_free(struct node *node)
{
	node_count--;
	if (spare_count < SPARES)
		spare_put(node);
	else
		arena_free(node, sizeof(*node));
}

static void widen(const struct piece *piece)
{
	bounds_widen(&bounds, piece->start, piece->end);
}

static void shrink_when_empty(void)
{
	if (root)
		return;
	bounds_set(&bounds, UINTPTR_MAX, 0);
}

void index_add(const struct piece *piece)
{
	struct node *left, *right;

	widen(piece);
	split(root, piece->start, &left, &right);
	root = merge(merge(left, node_new(piece)), right);
}

static struct node *last_of(struct node *tree)
{
	while (tree && tree->right)
		tree = tree->right;
	return tree;
}

/* A piece that reaches over address becomes two. */
static void cut_at(uintptr_t address)
{
	struct node *left, *right;

	split(root, address, &left, &right);
	struct node *over = last_of(left);
	if (over && over->piece.end > address) {
		struct piece rest = over->piece;
		rest.offset += (int64_t)(address - rest.start);
		rest.start = address;
		over->piece.end = address;
		right = merge(node_new(&rest), right);
	}
	root = merge(left, right);
}

/* All pieces in [start, end), taken out of the treap as a tree of their own. */
static struct node *detach(uintptr_t start, uintptr_t end)
{
	struct node *left, *middle, *right;

	cut_at(start);
	cut_at(end);
	split(root, start, &left, &right);
	split(right, end, &middle, &right);
	root = merge(left, right);
	return middle;
}

static void drop(struct node *tree, index_removed *removed, void *context)
{
	if (!tree)
		return;
	struct node *right = tree->right;
	drop(tree->left, removed, context);
	removed(&tree->piece, context);
	node_free(tree);
	drop(right, removed, context);
}

void index_remove(uintptr_t start, uintptr_t end, index_removed *removed, void *context)
{
	if (start >= end || !index_may_touch(start, end))
		return;
	drop(detach(start, end), removed, context);
	shrink_when_empty();
}

static void shift(struct node *tree, uintptr_t by)
{
	if (!tree)
		return;
	tree->piece.start += by;
	tree->piece.end += by;
	widen(&tree->piece);
	shift(tree->left, by);
	shift(tree->right, by);
}

void index_move(uintptr_t start, uintptr_t end, uintptr_t target, index_removed *removed,
		void *context)
{
	struct node *left, *right;
	struct node *moved = detach(start, end);

	index_remove(target, target + (end - start), removed, context);
	shift(moved, target - start);
	split(root, target, &left, &right);
	root = merge(merge(left, moved), right);
	shrink_when_empty();
}

void index_extend(uintptr_t end, uintptr_t new_end)
{
	struct node *left, *right;

	split(root, end, &left, &right);
	struct node *last = last_of(left);
	if (last && last->piece.end == end) {
		last->piece.end = new_end;
		widen(&last->piece);
	}
	root = merge(left, right);
}

bool index_next(uintptr_t address, struct piece *out)
{
	const struct node *best = NULL;

	for (const struct node *node = root; node;) {
		if (node->piece.end > address) {
			best = node;
			node = node->left;
		} else {
			node = node->right;
		}
	}
	if (best)
		*out = best->piece;
	return best;
}

size_t index_count(void)
{
	return node_count;
}
