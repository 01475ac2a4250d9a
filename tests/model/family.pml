/* SPDX-License-Identifier: MIT */
/*
 * Lease, break, preserve, replacement, fork, the family's table and its budget, as shim/snapshot
 * has them, for spin. A file of two pages. N processes: the first maps it, the others descend from
 * that one, or with CHAIN each from the one before; with WIDE mappings grow. A writer comes WRITES
 * times. EVENTS times a process is stopped, ends, or finds no memory, at any step. An exec is an
 * end: threads and memory go. A stop stands for whatever makes a process slow: only who waits for
 * a stopped one loses patience, and only from a stopped one does the kernel take a lease away. An
 * entry of the table has PLACES; the code's four take longer to use up.
 *
 * A step is what others cannot see half done. Comments name the functions. model.sh takes out each
 * guard (FAULT), and says which property must fail then.
 */
#define ANY_OFFER	1  /* a copy serves leases that were granted after it was offered */
#define GRANTED_BEFORE	2  /* the number of offers is asked before the lease is taken */
#define OFFERED_AFTER	3  /* a copy is offered when the lease was looked at for the last time */
#define UNCHECKED	4  /* the lease is not looked at after the copy */
#define RELEASED_BEFORE 5  /* the writer is let in before the mapping is replaced */
#define UNLEASED_CHILD	6  /* no second lease over fork */
#define FIRST_UNSEEN	7  /* or the first one is not looked at after it */
#define ADOPTED_UNSEEN	8  /* the child does not look whether it was broken on the way */
#define PATIENT		9  /* whoever is at it is waited for */
#define IMPATIENT	10 /* or nobody is */
#define NOT_KEPT	11 /* a copy is closed once it is mapped */
#define PLACE_REUSED	12 /* the place of a claim that was taken over is given to another */
#define BORROWED_GROWN	13 /* what a borrower lacks is put into the other's copy */
#define MEMBER_KEPT	14 /* a child is the same member of the budget as its parent */
#define ANYBODY_RETURNS 15 /* what a parent was charged a child returns */
#define FAILED_CHARGED	16 /* a copy that failed is not returned */
#define NEVER_DROPPED	17 /* what who has left was charged stays so */
#define RIGHT(fault)	(FAULT != fault)

#define PARENT(p) (CHAIN && (p) == 2 -> 1 : 0)
#define VERSIONS (WRITES + 1)
#define COPIES	 (N * VERSIONS + 1)
/* Whoever copies a version does so once. 0: no copy. */
#define COPY(p, version) (1 + (p) * VERSIONS + (version))
#define MAKER(copy)	 (((copy) - 1) / VERSIONS)
#define STORE(p, copy)	 ((p) * COPIES + (copy))
#define HOLE		 255

/* The properties. 0: all. */
#define READERS	  1 /* no reader sees another version than it captured, unless that is said */
#define WRITERS	  2 /* no writer waits for ever */
#define ONCE	  3 /* nothing is copied while the copier before lives, answers and shows it */
#define CHARGES	  4 /* nothing is charged when all is gone */
#define MUST(property, holds) assert(PROPERTY && PROPERTY != property || (holds))

/* ---- the kernel's ---- */

mtype = { NO_LEASE, HELD, BREAKING, UNBORN, RUNS, STOPPED, STAYS, GONE };
byte content; /* the file's version */
bool writing; /* it is open for that: no lease is granted */
bool written; /* for the last time */
mtype lease[N] = NO_LEASE;
bool forced[N]; /* taken away, and the process does not know yet */
bool owned[N];	/* by its own lease thread, not the parent's */
bool signal[N];
mtype life[N] = UNBORN; /* STAYS: stopped for good */
byte events = EVENTS;
bool slow[N]; /* was stopped once */

/* ---- a process's ---- */

mtype = { UNMAPPED, PLAIN, COPIED, NO_REQUEST, MAP, FORK, ADOPT };
mtype view[N] = UNMAPPED;
byte shown[N], captured[N], granted[N];
bool wide[N];	/* shows the second page too */
bool listed[N]; /* there is a struct lease */
bool lost[N];	/* and said to be */
mtype request[N] = NO_REQUEST;
bool poked[N];
byte kept[N]; /* store.c: kept_list, of one */
byte users[N * COPIES]; /* store.c */
bool borne[N * COPIES]; /* it is charged for */
byte self[N];		/* budget.c: the member, and one more; 0: none yet */

/* ---- the family's ---- */

mtype = { NOTHING, CLAIMED, OFFERED, ALONE, MINE, THERE };
byte page0[COPIES], page1[COPIES];
bool span[COPIES];    /* has the second page */
bool is_open[COPIES]; /* in the table of its maker's lease thread */
byte charged[N];
byte offers;
mtype kind = NOTHING; /* an entry's state: kind, who, claims */
byte who, claims;
byte place_copy[PLACES], place_offered[PLACES];
byte place_writer[PLACES]; /* one more than its number; 0: nobody */
bool place_wide[PLACES];

#define UNCHANGED (kind == seen && who == seen_who && claims == seen_claims)
#define IS_TAKEN(writer) (RIGHT(PLACE_REUSED) && writer && life[writer - 1] != GONE)
#define IS_STOPPED(p) (life[p] == STOPPED || life[p] == STAYS)
#define WRONG(p) ((life[p] == RUNS || IS_STOPPED(p)) && !lost[p] && !forced[p] && \
	(view[p] == PLAIN && content != captured[p] || \
	 view[p] == COPIED && (page0[shown[p]] != captured[p] || \
			       wide[p] && page1[shown[p]] != captured[p])))

/* budget_return */
inline give_back(p)
{
	MUST(CHARGES, self[p] && charged[self[p] - 1]);
	charged[self[p] - 1]--
}

inline charge()
{
	self[me] = (self[me] -> self[me] : me + 1); charged[self[me] - 1]++
}

inline store_release(copy)
{
	users[STORE(me, copy)]--;
	if
	:: users[STORE(me, copy)] == 1 && kept[me] == copy -> poked[me] = true
	:: users[STORE(me, copy)] == 0 && borne[STORE(me, copy)] &&
	   (MAKER(copy) == me || !RIGHT(ANYBODY_RETURNS)) -> give_back(me)
	:: else
	fi
}

/* store.c: let_go */
inline let_go()
{
	if
	:: kept[me] -> is_open[kept[me]] = false; i = kept[me]; kept[me] = 0; store_release(i); i = 0
	:: else
	fi
}

inline lease_end()
{
	lease[me] = NO_LEASE; forced[me] = false; listed[me] = false; owned[me] = false; granted[me] = 0
}

inline answer()
{
	if
	:: asked -> request[me] = NO_REQUEST
	:: else
	fi;
	seen = NOTHING; turn = ALONE; seen_who = 0; seen_claims = 0; mine = 0; target = 0; offered = 0;
	asked = false; needed = false; window = false; failed = false;
	goto serve
}

/* The lease thread, and what copies beside it. */
proctype Thread(byte me) provided (life[me] == RUNS)
{
	mtype seen = NOTHING, turn = ALONE;
	byte seen_who, seen_claims, mine, target, offered, i, child = me;
	bool asked, needed, window, failed;

serve:	atomic { /* lease_thread.c: serve, serve_request */
		if
		:: signal[me] -> signal[me] = false; /* guard.c: broken, preserve_if_broken */
			if
			:: listed[me] && lease[me] != HELD -> goto job
			:: else -> goto serve
			fi
		:: poked[me] -> poked[me] = false; /* guard_drop_unused, store_drop_unused */
			if
			:: listed[me] && view[me] != PLAIN -> lease_end()
			:: else
			fi;
			if
			:: kept[me] && users[STORE(me, kept[me])] == 1 -> let_go()
			:: else
			fi;
			goto serve
		:: request[me] == MAP -> asked = true; /* guard.c: join_existing, grant_new */
			if
			:: listed[me] -> view[me] = PLAIN; captured[me] = content; answer()
			:: !listed[me] && RIGHT(GRANTED_BEFORE) -> goto take
			:: else -> granted[me] = offers; goto take
			fi
		:: request[me] == FORK -> asked = true; child++; /* fork.c: second_lease */
			if
			:: !listed[me] || !RIGHT(UNLEASED_CHILD) -> answer()
			:: listed[me] && writing -> goto job /* lease_preserve(…, "fork") */
			:: else -> lease[child] = HELD; goto look
			fi
		:: request[me] == ADOPT -> asked = true; /* fork.c: adopt */
			if
			:: !listed[me] -> lease[me] = NO_LEASE; forced[me] = false; answer()
			:: else -> owned[me] = true; goto adopted
			fi
		fi
	};

take:	atomic { /* guard.c: take */
		if
		:: writing -> answer()
		:: else -> lease[me] = HELD; owned[me] = true; captured[me] = content; lost[me] = false
		fi
	};
	atomic { /* lease_new, join */
		granted[me] = (RIGHT(GRANTED_BEFORE) -> offers : granted[me]);
		listed[me] = true; view[me] = PLAIN; answer()
	};

look:	atomic { /* second_lease */
		if
		:: lease[me] != HELD && RIGHT(FIRST_UNSEEN) -> lease[child] = NO_LEASE; goto job
		:: else -> answer()
		fi
	};

adopted: atomic {
		if
		:: lease[me] != HELD && RIGHT(ADOPTED_UNSEEN) -> goto job
		:: else -> answer()
		fi
	};

job:	atomic { /* break.c: job_begin, windows_get */
		window = wide[me]; needed = view[me] == PLAIN;
		if
		:: !needed -> goto end
		:: else
		fi
	};

ask:	atomic { /* family.c: ask */
		seen = kind; seen_who = who; seen_claims = claims;
		if
		:: seen == NOTHING -> goto claim
		:: seen == CLAIMED && RIGHT(IMPATIENT) -> goto wait
		:: seen == CLAIMED && !RIGHT(IMPATIENT) -> goto copy
		:: else -> target = place_copy[seen_claims % PLACES] /* get */
		fi
	};
	atomic { /* serves, open_copy: what has the number there is the copy that the place names */
		offered = place_offered[seen_claims % PLACES];
		if
		:: place_wide[seen_claims % PLACES] >= window &&
		   (offered > granted[me] || !RIGHT(ANY_OFFER)) &&
		   life[seen_who] != GONE && MAKER(target) == seen_who && is_open[target] && UNCHANGED ->
			turn = THERE; goto check
		:: else -> target = 0; goto claim
		fi
	};

wait:	atomic { /* family_wait, is_gone */
		if
		:: !UNCHANGED -> goto ask
		:: UNCHANGED && life[who] == GONE
		:: UNCHANGED && IS_STOPPED(who) && RIGHT(PATIENT)
		:: UNCHANGED && IS_STOPPED(who) && RIGHT(PATIENT) -> goto copy /* LONGEST */
		fi
	};

claim:	atomic { /* place_take, claim */
		mine = seen_claims + 1;
		do
		:: mine < seen_claims + PLACES && IS_TAKEN(place_writer[mine % PLACES]) -> mine++
		:: else -> break
		od;
		if
		:: !UNCHANGED -> goto ask
		:: UNCHANGED && IS_TAKEN(place_writer[mine % PLACES]) -> goto copy
		:: else -> kind = CLAIMED; who = me; claims = mine; turn = MINE;
			place_writer[mine % PLACES] = me + 1
		fi
	};

copy:	atomic { /* preserve_begin, budget_charge, preserve_windows */
		target = COPY(me, captured[me]);
		MUST(ONCE, seen == NOTHING || life[seen_who] != RUNS || slow[seen_who] || slow[me] ||
			!is_open[COPY(seen_who, captured[me])] &&
				!(view[seen_who] == COPIED && shown[seen_who] == COPY(seen_who, captured[me])) ||
			span[COPY(seen_who, captured[me])] < window ||
			seen == OFFERED && place_offered[seen_claims % PLACES] <= granted[me]);
		if
		:: events -> events--; failed = true; target = 0; goto check
		:: charge(); is_open[target] = true; span[target] = window;
			page0[target] = content; page1[target] = (window -> content : HOLE)
		fi;
		if
		:: turn == ALONE || !RIGHT(OFFERED_AFTER) -> goto check
		:: else
		fi
	};

offer:	place_copy[mine % PLACES] = target; /* family_offer */
	atomic {
		offers++; place_offered[mine % PLACES] = offers; place_wide[mine % PLACES] = window;
		if
		:: RIGHT(OFFERED_AFTER)
		:: else -> goto settle
		fi
	};

check:	atomic { /* job_check: check, was_taken_away */
		failed = failed || lease[me] == NO_LEASE && RIGHT(UNCHECKED);
		if
		:: turn == MINE && !failed && !RIGHT(OFFERED_AFTER) -> goto offer
		:: else
		fi
	};

settle:	atomic { /* family_settle */
		if
		:: turn == MINE && kind == CLAIMED && who == me && claims == mine ->
			kind = (failed -> NOTHING : OFFERED)
		:: else
		fi;
		if
		:: turn == MINE && RIGHT(PLACE_REUSED) -> place_writer[mine % PLACES] = 0
		:: else
		fi;
		if
		:: failed -> goto lose
		:: !failed && !RIGHT(RELEASED_BEFORE) -> lease[me] = NO_LEASE
		:: else
		fi
	};

	atomic { /* under the snapshot lock: lease_replace, preserve_window, snapshots_leave */
		if
		:: view[me] == PLAIN && wide[me] && !window && turn == THERE && RIGHT(BORROWED_GROWN) ->
			target = COPY(me, captured[me]); turn = ALONE; /* preserve_own */
			charge(); page0[target] = content; page1[target] = content
		:: view[me] == PLAIN && wide[me] && !window && (turn != THERE || !RIGHT(BORROWED_GROWN)) ->
			page1[target] = content
		:: else
		fi;
		users[STORE(me, target)]++; borne[STORE(me, target)] = turn != THERE;
		if
		:: view[me] == PLAIN -> view[me] = COPIED; shown[me] = target; users[STORE(me, target)]++
		:: else
		fi
	};

end:	atomic { /* job_report: lease_end, which says what was taken away; job_keep */
		lost[me] = lost[me] || needed && forced[me]; lease_end();
		if
		:: !needed -> answer()
		:: needed && turn == MINE && RIGHT(NOT_KEPT) ->
			let_go(); kept[me] = target; users[STORE(me, target)]++
		:: needed && (turn == ALONE || turn == MINE && !RIGHT(NOT_KEPT)) -> is_open[target] = false
		:: else
		fi;
		store_release(target); answer()
	};

lose:	atomic { /* lease_lose, preserve_end */
		lost[me] = true; lease_end();
		if
		:: target && turn != THERE -> is_open[target] = false;
			if
			:: RIGHT(FAILED_CHARGED) -> give_back(me)
			:: else
			fi
		:: else
		fi;
		answer()
	}
}

inline unmap() /* report_ended, guard_left */
{
	if
	:: view[me] == PLAIN -> poked[me] = poked[me] || listed[me]
	:: view[me] == COPIED -> store_release(shown[me])
	:: else
	fi;
	view[me] = UNMAPPED; wide[me] = false; shown[me] = 0; lost[me] = false
}

/* What the kernel copies, and what copies and children do of it. */
inline fork()
{
	view[child] = view[me]; shown[child] = shown[me]; wide[child] = wide[me];
	captured[child] = captured[me]; granted[child] = granted[me];
	listed[child] = listed[me]; lost[child] = lost[me];
	self[child] = (RIGHT(MEMBER_KEPT) -> 0 : self[me]); /* budget_after_fork */
	do
	:: i < COPIES -> /* store_forget_kept */
		users[STORE(child, i)] = users[STORE(me, i)] - (i && kept[me] == i -> 1 : 0);
		borne[STORE(child, i)] = borne[STORE(me, i)];
		i++
	:: else -> i = 0; break
	od;
	life[child] = RUNS; request[child] = ADOPT;
	run Thread(child); run Program(child);
	child++
}

/* The program's thread: maps, forks, grows what it mapped, unmaps it. */
#define IDLE (request[me] == NO_REQUEST)
proctype Program(byte me) provided (life[me] == RUNS)
{
	byte maps = (me -> MAPS - 1 : MAPS), child = me + 1, i;

	do
	:: atomic { IDLE && view[me] == UNMAPPED && maps -> maps--; request[me] = MAP }
	:: atomic { IDLE && view[me] != UNMAPPED && child < N && PARENT(child) == me ->
			request[me] = FORK };
		atomic { IDLE -> fork() }
	:: atomic { WIDE && IDLE && view[me] == PLAIN && !wide[me] -> wide[me] = true } /* mremap */
	:: atomic { IDLE && view[me] != UNMAPPED -> unmap() }
	od
}

active proctype Writer()
{
	byte i, writes;

	do
	:: writes < WRITES ->
		atomic { /* open: get_write_access, break_lease */
			writing = true;
			do
			:: i < N && lease[i] == HELD -> lease[i] = BREAKING;
				signal[(owned[i] -> i : PARENT(i))] = true; i++
			:: i < N && lease[i] != HELD -> i++
			:: else -> i = 0; break
			od
		};
		atomic {
			lease[0] == NO_LEASE && lease[1] == NO_LEASE && lease[N - 1] == NO_LEASE ->
			content++; writing = false; writes++; written = writes == WRITES
		}
	od
}

active proctype Reader()
{
	atomic { WRONG(0) || WRONG(1) || WRONG(N - 1) -> MUST(READERS, false) }
}

inline end_of(p)
{
	life[p] = GONE; view[p] = UNMAPPED; lease[p] = NO_LEASE; owned[p] = false; listed[p] = false;
	shown[p] = 0; captured[p] = 0; granted[p] = 0; wide[p] = false; lost[p] = false; forced[p] = false;
	signal[p] = false; poked[p] = false; kept[p] = 0; slow[p] = false;
	do
	:: i < N -> lease[i] = (life[i] == UNBORN && PARENT(i) == p -> NO_LEASE : lease[i]); i++
	:: else -> i = 0; break
	od;
	do
	:: i < VERSIONS -> is_open[COPY(p, i)] = false; i++
	:: else -> i = 0; break
	od
}

#define SOMETHING_HAPPENS(p) \
	:: atomic { events && life[p] == RUNS -> events--; life[p] = STOPPED; slow[p] = true } \
	:: atomic { events && life[p] == RUNS -> events--; life[p] = STAYS; slow[p] = true } \
	:: atomic { events && life[p] == RUNS -> events--; end_of(p) } \
	:: atomic { life[p] == STOPPED -> life[p] = RUNS }
#define TAKEN_AWAY(p) /* time_out_leases */ \
	:: atomic { lease[p] == BREAKING && IS_STOPPED((life[p] == UNBORN -> PARENT(p) : p)) -> \
		lease[p] = NO_LEASE; forced[p] = true }

/* What befalls the processes, and what must be when all is over. */
active proctype World()
{
	byte p, i, sum;

	atomic { life[0] = RUNS; run Thread(0); run Program(0) };
	do
	SOMETHING_HAPPENS(0) SOMETHING_HAPPENS(1) SOMETHING_HAPPENS(N - 1)
	TAKEN_AWAY(0) TAKEN_AWAY(1) TAKEN_AWAY(N - 1)
	:: timeout -> break
	od;
	atomic {
		MUST(WRITERS, written);
		do
		:: p < N -> MUST(WRITERS, life[p] != RUNS || request[p] == NO_REQUEST);
			MUST(CHARGES, life[p] != RUNS || !charged[p]);
			sum = sum + (RIGHT(NEVER_DROPPED) -> 0 : charged[p]); /* drop_who_left */
			p++
		:: else -> break
		od;
		MUST(CHARGES, !sum)
	}
}
