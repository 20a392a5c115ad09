/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who takes a fault back when brink's processes die or stop: runner, keeper, spare, holders, two
 * recoveries (`brink revert`, PID 1's timer) and the kernel, in every order of their steps, with any
 * EVENTS of them killed or stopped (and sometimes continued) at any step. A step is a system call
 * whose effect others can see; the comments name the C function that it stands for.
 *
 * Time is an order, not a clock: a lease, a heart-beat or an answer that is overdue may be noticed at
 * any moment from then on, unless the silent one goes on before.
 *
 * What must hold stands as assertions, P1 to P8; tests/model/run says with which -D this is checked.
 * A -DMISTAKE_... makes the protocol wrong in one place, and Spin must find it.
 */
#ifndef FAULTS
#define FAULTS 1
#endif
#ifndef EVENTS
#define EVENTS 2
#endif
#ifndef UNDO_FAILS
#define UNDO_FAILS 0 /* how many undos fail, for whoever tries */
#endif
#ifndef HELP
#define HELP 0 /* recoveries that start at any time, besides the one after the end */
#endif

/* What a fault is. */
#define SELF_ENDING 0 /* a gate with owner and lease, and a structure that outlives its owner */
#define GUARDED	    1 /* an effect that no kernel object ends */
#define ONE_SHOT    2 /* nothing to take back */
#ifndef KIND0
#define KIND0 SELF_ENDING
#endif
#ifndef KIND1
#define KIND1 GUARDED
#endif
#define KIND(f) (f == 0 -> KIND0 : KIND1)

#if FAULTS == 2
#define any(x) (x(0) || x(1))
#define all(x) (x(0) && x(1))
#else
#define any(x) (x(0))
#define all(x) (x(0))
#endif

/* --- processes --- */
#define R     0 /* runner */
#define K     1 /* keeper */
#define S     2 /* spare */
#define V     3 /* brink revert */
#define T     4 /* the same, by PID 1's timer or by a second user */
#define H     5 /* holder of fault 0 */
#define PROCS (H + FAULTS)

#define NONE	0
#define ALIVE	1
#define STOPPED 2
#define NAPPING 3 /* stopped, to go on some time or other */
#define DEAD	4
byte st[PROCS];
#define is_stopped(p) (st[p] == STOPPED || st[p] == NAPPING)
#define is_there(p)   (st[p] == ALIVE || is_stopped(p))
#define is_held(f)  is_there(H + f)

#define any_napping (st[R] == NAPPING || st[K] == NAPPING || st[S] == NAPPING || st[V] == NAPPING || any(naps))
#define naps(f) (st[H + f] == NAPPING)

/* --- the kernel --- */
bool table[FAULTS];  /* nft table with the owner flag: goes with its holder */
bool lease[FAULTS];  /* its element with a timeout */
bool lost[FAULTS];   /* which ran out once */
bool ifb[FAULTS];    /* structure: no owner */
bool effect[FAULTS]; /* of a guarded fault */
bool timer[FAULTS];  /* the holder's own, with SIGKILL */
bool notice[FAULTS]; /* PR_SET_PDEATHSIG */
bool heir[FAULTS];   /* the holder still has what it inherited from the keeper */
#define felt(f)	  ((table[f] && lease[f]) || effect[f])
#define closed(f) (!felt(f))
#define left(f)	  (table[f] || ifb[f] || effect[f])
#define nothing(f) (!left(f))
#define harmless(f) (!(is_held(f) && knows_holder[f])) /* ordered to do something only when known */

/* --- /run/brink/RUN --- */
#define ABSENT 0
#define OPEN   1
#define CLEAN  2
#define DIRTY  3
bool folder, lock_file, ended_mark;
bool own; /* the lock file is the one that the keeper made */
byte head;
bool slot[FAULTS], restored[FAULTS]; /* durable and read back */
bool knows_holder[FAULTS], knows_spare;
bool keeper_lock;   /* by an open file that the spare and heirs share */
byte recovery_lock; /* by that recovery; 0 = none */
#define is_heir(f) (heir[f] && is_held(f))
#define is_stopped_heir(f) (heir[f] && is_stopped(H + f))
bool resources;     /* lock.c: devices, processes, mounts; by open files that are shared likewise */
#define is_reserved (resources && (is_there(K) || is_there(S) || any(is_heir)))
#define is_locked  ((keeper_lock && (is_there(K) || is_there(S) || any(is_heir))) || recovery_lock)

/* --- messages: proto.h --- */
mtype = { GUARD, ARM, FIRE, LIFT, LIFT_ALL, FINISH, QUIET };
chan to_keeper = [4] of { mtype };
chan to_holder[FAULTS] = [3] of { mtype };
bool hung_up[FAULTS]; /* the keeper closed its end */
bool has_armed[FAULTS], has_fired[FAULTS], has_quieted[FAULTS], has_lost[FAULTS];
/* keeper or spare -> runner: facts, which stay true */
#define GOOD 1
#define BAD  2
byte said_guard, said_arm, said_clean;
bool said_ended[FAULTS];

/* --- heart-beats: pulse.h. Whoever is stopped or dead is silent, except --- */
bool keeper_rests; /* pulse_rest(): it does not beat for a while */

/* --- the keeper's own memory: keeper.h --- */
#define PLANNED	 0
#define ARMING	 1
#define ARMED	 2
#define FIRING	 3
#define LIVE	 4
#define QUIETING 5
#define ENDED	 6
#define DRAINING 7
#define EXITING	 8
#define UNDOING	 9
#define RESTORED 10
#define STAYS	 11 /* FAULT_DIRTY */
byte state[FAULTS];
bool lifting_all, finishing, runner_gone, spare_gone;
bool alone[FAULTS]; /* lifted when its time was over: the others stay in force */
#define may_be_open(f) (state[f] > PLANNED && state[f] < ENDED)
#define is_settled(f)  (state[f] == PLANNED || state[f] >= RESTORED)
#define is_arming(f)   (state[f] == ARMING)
#define is_armed(f)    (state[f] == ARMED)
#define stays(f)       (state[f] == STAYS)

/* --- for the properties --- */
bool helped; /* a recovery was started before the run was over by itself */
#if HELP > 0
bool is_heard; /* whoever starts a recovery lives long enough to hear that the run is clean */
#endif
bool hit_keeper, hit_spare, has_failed;
byte fails = UNDO_FAILS;
bool gave_up[FAULTS]; /* its gate was closed by the holder */
byte worker; /* who takes back just now */

/* Deaths. They also forget what nobody reads any more: fewer states. */
inline work_ends(p)
{
	if
	:: worker == p -> worker = 0
	:: else
	fi
}

inline die_R()
{
	d_step { st[R] = DEAD; said_guard = 0; said_arm = 0; said_clean = 0 }
}

inline die_K()
{
	d_step {
		do
		:: nempty(to_keeper) -> to_keeper?_
		:: empty(to_keeper) -> break
		od;
		keeper_rests = false;
		own = false;
		st[K] = DEAD
	}
}

inline die_S()
{
	d_step { st[S] = DEAD; work_ends(S) }
}

inline die_recovery(p)
{
	d_step {
		st[p] = DEAD;
		if
		:: recovery_lock == p -> recovery_lock = 0
		:: else
		fi;
		work_ends(p)
	}
}
#define die_V() die_recovery(V)
#define die_T() die_recovery(T)

inline die_holder(f)
{
	d_step {
		do
		:: nempty(to_holder[f]) -> to_holder[f]?_
		:: empty(to_holder[f]) -> break
		od;
		table[f] = false;
		lease[f] = false;
		heir[f] = false;
		timer[f] = false;
		notice[f] = false;
		has_armed[f] = false;
		has_fired[f] = false;
		has_quieted[f] = false;
		has_lost[f] = false;
		hung_up[f] = false;
		st[H + f] = DEAD
	}
}

#define die_if_stopped(p)                                                                         \
	if                                                                                        \
	:: is_stopped(p) -> die_##p()                                                             \
	:: else                                                                                   \
	fi

/* P2: no change without a durable undo record. */
#define assert_record(f) assert(slot[f] && head == OPEN && !restored[f])
/* P5: a lease that was lost or given up is never taken again; what was said to have ended stays so. */
#define assert_first(f) assert(!lost[f] && !gave_up[f] && !said_ended[f])
/* P4: "clean" is said when nothing is left, and nobody who could still make something. */
#define assert_clean assert(all(nothing) && all(harmless))

/* P3: no structure goes under an open gate; when everything is taken back, none before all gates. */
inline undo(f, everything)
{
	d_step {
		effect[f] = false;
		if
		:: ifb[f] -> assert(closed(f) && (!everything || all(closed)))
		:: else
		fi;
		ifb[f] = false
	}
}

/* ---------------------------------------------------------------- runner: runner/run_loop.c */
proctype runner() provided (!is_stopped(R))
{
	bool armed, fired, stopping, finished, lifted;

	{
		to_keeper!GUARD; /* BEGIN, SHIELD, FAULT, ADD are the keeper's beginning here */
		do
		:: atomic { said_guard == GOOD && !armed ->
			   armed = true; to_keeper!ARM } /* heard_done(), also when it is stopping */
		:: atomic { said_arm == GOOD && !fired && !stopping -> fired = true; to_keeper!FIRE }
#if FAULTS == 2
		:: atomic { fired && !stopping && !lifted -> lifted = true; to_keeper!LIFT }
#endif
		:: atomic { !stopping -> /* Ctrl-C, HALT, LOST, a failed check, the end of its time */
			   stopping = true; to_keeper!LIFT_ALL }
		:: atomic { stopping && !finished -> finished = true; to_keeper!FINISH }
		:: atomic { said_clean == GOOD -> assert_clean; break } /* KMSG_CLEAN */
		:: said_clean == BAD || said_guard == BAD -> break
		:: atomic { is_stopped(K) && !keeper_rests && st[S] != ALIVE -> die_K() } /* watch_keeper() */
		:: st[K] == DEAD && st[S] != ALIVE && !said_clean -> break /* keeper_lost(): NOT CLEAN */
#ifndef MISTAKE_ENDLESS_WAIT
		:: is_stopped(K) && keeper_rests -> break /* controller_config.h: arm_ns, finish_ns */
#endif
		od;
		die_R()
	} unless { d_step { st[R] == DEAD -> armed = 0; fired = 0; stopping = 0; finished = 0; lifted = 0 } }
}

/* ---------------------------------------------------------------- holder: safety/holder.c */
proctype holder(byte f) provided (!is_stopped(H + f))
{
	bool live, quieted, knows;

	{
		heir[f] = false; /* close_others() */
		do
		:: to_holder[f]?ARM ->
			timer[f] = true;  /* secure(): before it acquires anything */
			notice[f] = true;
			if
			:: KIND(f) == SELF_ENDING ->
				atomic { assert_record(f); ifb[f] = true };
				atomic { assert_record(f); table[f] = true }
			:: else
			fi;
			has_armed[f] = true
		:: atomic { to_holder[f]?FIRE -> /* obey(), fire_step() */
			   if
#ifdef MISTAKE_FIRE_AFTER_QUIET
			   :: true ->
#else
			   :: quieted -> skip
			   :: else ->
#endif
				   assert_record(f);
				   assert_first(f);
				   live = true;
				   if
				   :: KIND(f) == SELF_ENDING -> lease[f] = true
				   :: KIND(f) == GUARDED -> effect[f] = true
				   :: else
				   fi
			   fi };
			has_fired[f] = true
		:: atomic { to_holder[f]?QUIET -> /* quiet_all() */
			   lease[f] = false; effect[f] = false; live = false; quieted = true; gave_up[f] = true };
			has_quieted[f] = true
		:: atomic { live && lost[f] && KIND(f) == SELF_ENDING -> /* refresh_all(): ENOENT */
#ifdef MISTAKE_REACQUIRE
			   assert_first(f);
			   lease[f] = true
#else
			   live = false; quieted = true; gave_up[f] = true
#endif
			   };
			has_lost[f] = true
		:: hung_up[f] && empty(to_holder[f]) -> break /* turn(): the end of its socket */
		:: st[K] == DEAD -> effect[f] = false; break /* turn(): the spare's turn */
		:: atomic { st[R] == DEAD && !knows -> /* turn(): nothing is fired any more */
			   knows = true; lease[f] = false; effect[f] = false; live = false; quieted = true; gave_up[f] = true }
		od;
		die_holder(f)
	} unless { d_step { st[H + f] == DEAD -> live = 0; quieted = 0; knows = 0 } }
}

/* ------------------------------------------- keeper: safety/keeper.c, keeper_setup.c, keeper_lift.c */
inline start_lift(f)
{
	if
	:: state[f] > PLANNED && state[f] < QUIETING ->
		state[f] = QUIETING;
		if
		:: is_held(f) -> to_holder[f]!QUIET
		:: else
		fi
	:: else
	fi
}

inline lift_all()
{
	if
	:: !lifting_all ->
		lifting_all = true;
		start_lift(0);
#if FAULTS == 2
		start_lift(1)
#endif
	:: else
	fi
}

inline fire(f)
{
	state[f] = FIRING;
	if
	:: is_held(f) -> to_holder[f]!FIRE
	:: else
	fi
}

/* start_holder() */
inline start_holder(f)
{
	atomic { st[H + f] = ALIVE; heir[f] = true; run holder(f) };
	knows_holder[f] = true; /* note_holder(): before it does anything */
	atomic { state[f] = ARMING; to_holder[f]!ARM }
}

/* keeper_listen(): others */
#define LISTEN                                                                                    \
	:: atomic { st[R] == DEAD && !runner_gone -> runner_gone = true; lift_all(); finishing = true } \
	:: atomic { is_stopped(R) && !runner_gone -> die_R() } /* kill_runner() */                  \
	:: atomic { st[S] == DEAD && !spare_gone -> spare_gone = true; lift_all() }                   \
	:: atomic { is_stopped(S) -> die_S() } /* check_beats() */

/* keeper_listen(): one holder's answers and death; has_armed and so on are what it wrote */
#define HEAR(f)                                                                                   \
	:: atomic { has_armed[f] -> /* heard_armed(): read back as without effect */              \
		   has_armed[f] = false;                                                          \
		   if                                                                             \
		   :: state[f] == ARMING -> assert(closed(f)); state[f] = ARMED                   \
		   :: else                                                                        \
		   fi }                                                                           \
	:: atomic { has_fired[f] -> /* heard_fired(): read back */                                \
		   has_fired[f] = false;                                                          \
		   if                                                                             \
		   :: state[f] == FIRING && (felt(f) || KIND(f) == ONE_SHOT) -> state[f] = LIVE   \
		   :: state[f] == FIRING && !(felt(f) || KIND(f) == ONE_SHOT) -> start_lift(f)    \
		   :: else                                                                        \
		   fi }                                                                           \
	:: atomic { has_lost[f] -> has_lost[f] = false; start_lift(f) }                           \
	:: atomic { st[H + f] == DEAD && may_be_open(f) && state[f] < QUIETING ->                 \
		   state[f] = QUIETING } /* keeper_holder_died() */

#ifdef MISTAKE_EARLY_END
#define is_quiet(f) closed(f)
#else /* a holder that has not answered could still obey an order to fire */
#define is_quiet(f) (closed(f) && (has_quieted[f] || !is_held(f)))
#endif

/* keeper_advance(): step_*() */
#ifdef MISTAKE_STRUCTURE_FIRST
#define gates_open 0
#else
#define gates_open (lifting_all && any(may_be_open))
#endif
#define ADVANCE(f)                                                                                \
	:: atomic { state[f] == QUIETING && is_quiet(f) -> state[f] = ENDED; said_ended[f] = true } \
	:: atomic { (state[f] == QUIETING || state[f] == EXITING) && is_stopped(H + f) ->      \
		   die_holder(f) } /* end_holder() after ANSWER_NS */                                \
	QUIET_WITHOUT_HOLDER(f)                                                                   \
	:: atomic { state[f] == ENDED && !gates_open -> alone[f] = !lifting_all; state[f] = DRAINING } \
	:: atomic { state[f] == DRAINING && (has_quieted[f] || st[H + f] != ALIVE) ->             \
		   state[f] = EXITING; hung_up[f] = true }                                        \
	:: atomic { state[f] == EXITING && st[H + f] == DEAD -> state[f] = UNDOING }              \
	:: atomic { state[f] == UNDOING && left(f) && !fails -> assert(worker == 0); undo(f, !alone[f]) }            \
	:: atomic { state[f] == UNDOING && left(f) && fails -> fails--; has_failed = true; UNDO_FAILED(f) } \
	:: atomic { state[f] == UNDOING && !left(f) -> restored[f] = true; state[f] = RESTORED }

#ifdef MISTAKE_GUARDED_LAST
#define QUIET_WITHOUT_HOLDER(f)                                                                   \
	:: atomic { state[f] == QUIETING && !is_held(f) && KIND(f) == GUARDED -> state[f] = ENDED }
#else /* nobody is left to quiet it, and no kernel object ends it */
#define QUIET_WITHOUT_HOLDER(f)                                                                   \
	:: atomic { state[f] == QUIETING && !is_held(f) && effect[f] -> effect[f] = false }
#endif
#ifdef MISTAKE_ERROR_IS_ABSENCE
#define UNDO_FAILED(f) restored[f] = true; state[f] = RESTORED
#else
#define UNDO_FAILED(f) state[f] = STAYS
#endif

/* keeper_finish(), by keeper or spare: the machine is read, then the record goes. */
inline prove()
{
	atomic {
		if
#ifdef MISTAKE_ERROR_IS_ABSENCE
		:: true -> head = CLEAN
#else
		:: all(nothing) && !any(stays) -> assert_clean; head = CLEAN
		:: else -> head = DIRTY
#endif
		fi
	};
	if
#ifndef MISTAKE_KEEPS_LOCKS
	:: head == CLEAN -> resources = false /* also for whoever is stopped and shares them */
#endif
	:: else
	fi
}

inline remove_record()
{
#ifndef MISTAKE_NO_MARK
	ended_mark = true;
#endif
	head = ABSENT;
	atomic { lock_file = false; keeper_lock = false; own = false };
	folder = false
}

proctype keeper() provided (!is_stopped(K))
{
	{
		folder = true; /* keeper_begin() */
		atomic { if
			 :: !folder -> said_guard = BAD; goto out
			 :: else -> head = OPEN /* create_journal() */
			 fi };
		atomic { if
			 :: !folder || lock_file -> said_guard = BAD; goto out /* a recovery was here */
			 :: else -> lock_file = true; own = true
			 fi };
		atomic { if
			 :: recovery_lock -> said_guard = BAD; goto out
			 :: else -> keeper_lock = true
			 fi };
#ifndef MISTAKE_LOCK_UNNAMED
		atomic { if /* still the file that has the name, and not marked? */
			 :: !own || ended_mark -> said_guard = BAD; goto out
			 :: else
			 fi };
#endif
		resources = true; /* keeper_add(): take_lock() */
		do
		:: to_keeper?GUARD -> break
		:: st[R] == DEAD -> runner_gone = true; goto finish
		:: atomic { is_stopped(R) -> die_R() }
		od;
		keeper_rests = true; /* keeper_guard(): prepare_all(), keeper_deadman() */
#ifndef MISTAKE_RECORD_LATE
		atomic {
			slot[0] = true; /* and with it the head, journal_add() */
			if
			:: own -> head = OPEN
			:: else
			fi
		};
#if FAULTS == 2
		slot[1] = true;
#endif
#endif
		said_guard = GOOD;
		do
		:: finishing && all(is_settled) -> break
		:: to_keeper?ARM -> /* keeper_arm() */
			keeper_rests = false;
#ifndef MISTAKE_LATE_ARM
			if
			:: lifting_all -> said_arm = BAD; goto next
			:: else
			fi;
#endif
#ifndef MISTAKE_NO_SPARE
			atomic { st[S] = ALIVE; run spare() };
			knows_spare = true;
#endif
			start_holder(0);
#if FAULTS == 2
			do /* await_arming(): of many, some arm before others are born */
			:: is_arming(0) && is_stopped(H) && !timer[0] -> said_arm = BAD; goto next
			HEAR(0)
			LISTEN
			:: break
			od;
			if
#ifndef MISTAKE_LATE_BIRTH
			:: lifting_all || state[0] > ARMED -> skip
#endif
			:: else -> start_holder(1)
			fi;
#endif
			do
			:: any(is_arming) && is_stopped(H) && !timer[0] -> said_arm = BAD; break /* ARM_NS */
#if FAULTS == 2
			:: any(is_arming) && is_stopped(H + 1) && !timer[1] -> said_arm = BAD; break
			HEAR(1)
#endif
			HEAR(0)
			LISTEN
			:: !any(is_arming) -> said_arm = GOOD; break
			od;
#ifdef MISTAKE_RECORD_LATE
			slot[0] = true;
#endif
next:
			skip
		:: atomic { to_keeper?FIRE -> /* keeper_fire() */
			   if
			   :: !lifting_all && all(is_armed) ->
				   fire(0);
#if FAULTS == 2
				   fire(1)
#endif
			   :: else
			   fi }
		:: atomic { to_keeper?LIFT -> start_lift(0) }
		:: atomic { to_keeper?LIFT_ALL -> lift_all() }
		:: atomic { to_keeper?FINISH -> lift_all(); finishing = true }
		LISTEN
		HEAR(0)
		ADVANCE(0)
#if FAULTS == 2
		HEAR(1)
		ADVANCE(1)
#endif
		od;
finish:
		keeper_rests = true; /* keeper_finish() */
		prove();
		if
		:: is_there(S) -> die_S() /* end_spare() */
		:: else
		fi;
		if
		:: head == CLEAN && !runner_gone ->
			remove_record();
			said_clean = GOOD
		:: head == CLEAN && runner_gone -> skip /* the record stays for the next command */
		:: else -> said_clean = BAD
		fi;
out:
		die_K()
	} unless { d_step {
		st[K] == DEAD;
		state[0] = 0;
		alone[0] = 0;
#if FAULTS == 2
		state[1] = 0;
		alone[1] = 0;
#endif
		lifting_all = 0; finishing = 0; runner_gone = 0; spare_gone = 0
	} }
}

/* ------------------------------------------------------- recover.c, by the spare and brink revert */
inline end_holder(f) /* recover_end_holders(): awaits its death */
{
	if
	:: knows_holder[f] && is_held(f) -> die_holder(f)
	:: else
	fi
}

/* recover_slot(), attempt() */
inline recover(f, dirty)
{
	if
	:: slot[f] && !restored[f] ->
		if
		:: atomic { (left(f) && fails) -> fails--; has_failed = true; dirty = true }
		:: atomic { table[f] -> dirty = true } /* its owner lives: EPERM */
		:: atomic { !table[f] && !fails -> undo(f, true) };
			restored[f] = true
		:: atomic { !left(f) && fails -> restored[f] = true }
		fi
	:: else
	fi
}

inline end_effect(f)
{
	if
	:: slot[f] && !restored[f] && !fails -> effect[f] = false
	:: else
	fi
}

inline take_charge(p)
{
	d_step { assert(worker == 0); worker = p } /* P8: one at a time */
}

inline end_stopped_heirs()
{
	if
	:: is_stopped_heir(0) -> die_holder(0)
	:: else
	fi;
#if FAULTS == 2
	if
	:: is_stopped_heir(1) -> die_holder(1)
	:: else
	fi
#endif
}

inline take_back(dirty)
{

#ifndef MISTAKE_HOLDERS_LIVE
	end_holder(0);
#if FAULTS == 2
	end_holder(1);
#endif
#endif
#ifndef MISTAKE_GUARDED_LAST
	end_effect(0); /* what is felt first: recover_all() */
#if FAULTS == 2
	end_effect(1);
#endif
#endif
#if FAULTS == 2
	recover(1, dirty);
#endif
	recover(0, dirty)
}

proctype spare() provided (!is_stopped(S))
{
	bool dirty;

	{
		do /* await_death() */
		:: st[K] == DEAD -> break
#ifdef MISTAKE_NO_FENCE
		:: st[K] == STOPPED || st[K] == NAPPING -> break
#elif defined(MISTAKE_REST_FOREVER)
		:: atomic { is_stopped(K) && !keeper_rests -> die_K() }
#else /* a rest has an end: pulse_rest() */
		:: atomic { is_stopped(K) -> die_K() }
#endif
		od;
		if /* take_over() */
		:: head == ABSENT || head == CLEAN -> goto out
		:: else
		fi;
		take_charge(S);
		take_back(dirty);
		atomic { die_if_stopped(R) }; /* end_silent_runner() */
		prove();
		if
		:: head == CLEAN && st[R] == ALIVE -> remove_record(); said_clean = GOOD
		:: head == CLEAN && st[R] != ALIVE
		:: else -> said_clean = BAD
		fi;
out:
		die_S()
	} unless { d_step { st[S] == DEAD -> dirty = false } }
}

/* ------------------------------------------------- brink revert, PID 1's timer: recover_main.c */
#define any_stopped(p) (is_stopped(K) || is_stopped(S) || any(is_stopped_heir) || \
			is_stopped(V) || is_stopped(T))
/* whoever has the run's lock open and is stopped, be it named in the journal or not */
inline end_stopped(p)
{
	die_if_stopped(K);
	die_if_stopped(S);
	die_if_stopped(V);
	die_if_stopped(T);
	end_stopped_heirs()
}
proctype recovery(byte p) provided (!is_stopped(p))
{
	bool dirty;

	{
		do /* lock_run() */
		:: !folder -> goto out /* nothing to do, or somebody was faster */
		:: atomic { folder && !lock_file -> /* open_lock() */
			   lock_file = true;
			   if
			   :: head == ABSENT -> ended_mark = true
			   :: else
			   fi }
#ifdef MISTAKE_NO_LOCK
		:: folder && lock_file -> break
#endif
		:: atomic { lock_file && !is_locked -> recovery_lock = p; break }
		:: lock_file && is_locked && !recovery_lock && st[K] == ALIVE -> goto out /* EALREADY */
#ifdef MISTAKE_STRAYS
		:: atomic { lock_file && is_locked && head != ABSENT && st[K] != ALIVE && !(st[S] == ALIVE && knows_spare) &&
			    (is_stopped(K) || (is_stopped(S) && knows_spare)) ->
			   die_if_stopped(K); /* only whom the journal names */
			   if
			   :: knows_spare -> die_if_stopped(S)
			   :: else
			   fi }
#else
		:: atomic { lock_file && is_locked && st[K] != ALIVE && any_stopped(p) -> /* worth_waiting() */
			   end_stopped(p) }
#endif
		od;
		if
		:: head == ABSENT && lock_file && !ended_mark -> goto out /* JOURNAL_LOST: a person has to look */
		:: head == ABSENT && !(lock_file && !ended_mark)
		:: head == CLEAN
		:: head == OPEN || head == DIRTY ->
			take_charge(p);
			take_back(dirty);
			atomic { if
				 :: dirty -> head = DIRTY
				 :: else -> assert_clean; head = CLEAN
				 fi }
		fi;
		if
		:: !dirty -> remove_record(); assert_clean
#if HELP > 0
		:: !dirty && !is_heard -> skip /* the record stays for the next command: is_noted() */
#endif
		:: else
		fi;
out:
		die_recovery(p)
	} unless { d_step { st[p] == DEAD -> dirty = false } }
}

/* ------------------------------------------------------------------------- what happens to them */
active proctype kernel()
{
end:
	do
#define KERNEL(f)                                                                                 \
	:: atomic { notice[f] && st[K] == DEAD && is_held(f) -> die_holder(f) }                      \
	LEASE(f)
#ifdef MISTAKE_NO_LEASE
#define LEASE(f)                                                                                  \
	:: atomic { timer[f] && is_held(f) && !lease[f] && !(st[H + f] == ALIVE && st[K] == ALIVE) -> \
		   die_holder(f) }
#else
#define LEASE(f)                                                                                  \
	:: atomic { lease[f] && !(st[H + f] == ALIVE && st[K] == ALIVE && st[R] == ALIVE) ->      \
		   lease[f] = false; lost[f] = true }                                             \
	:: atomic { timer[f] && is_held(f) && !(st[H + f] == ALIVE && st[K] == ALIVE) -> die_holder(f) }
#endif
	KERNEL(0)
#if FAULTS == 2
	KERNEL(1)
#endif
	od
}

inline note_hit(p)
{
#if EVENTS > 1
	if
	:: p == K -> hit_keeper = true
	:: p == S -> hit_spare = true
	:: else
	fi
#else
	skip
#endif
}

inline help(p)
{
	st[p] = ALIVE;
	run recovery(p)
}

inline hit_all()
{
	hit_keeper = true;
	hit_spare = true
}

#define kill_one(p)                                                                               \
	if                                                                                        \
	:: is_there(p) -> die_##p()                                                               \
	:: else                                                                                   \
	fi
inline kill_holder(f)
{
	if
	:: is_held(f) -> die_holder(f)
	:: else
	fi
}

inline stop_one(p)
{
	if
	:: st[p] == ALIVE -> st[p] = STOPPED
	:: else
	fi
}

inline kill_all()
{
	kill_one(R);
	kill_one(K);
	kill_one(S);
	kill_holder(0);
#if FAULTS == 2
	kill_holder(1)
#endif
}

inline stop_all()
{
	stop_one(R);
	stop_one(K);
	stop_one(S);
	stop_one(H);
#if FAULTS == 2
	stop_one(H + 1)
#endif
}

active proctype enemy()
{
	byte events = EVENTS, helps = HELP;

	atomic { do
		 :: events > 0 -> events-- /* it need not use all of them */
		 :: helps > 0 -> helps--
		 :: break
		 od };
	do
#define HIT(p)                                                                                    \
	:: atomic { events > 0 && is_there(p) -> events--; note_hit(p); die_##p() }               \
	STOP(p)
#define HIT_HOLDER(f)                                                                             \
	:: atomic { events > 0 && is_held(f) -> events--; die_holder(f) }                         \
	STOP(H + f)
#define STOP(p)                                                                                   \
	:: atomic { events > 0 && st[p] == ALIVE -> events--; note_hit(p); st[p] = STOPPED }      \
	:: atomic { events > 0 && st[p] == ALIVE -> events--; note_hit(p); st[p] = NAPPING }      \
	:: atomic { st[p] == NAPPING -> st[p] = ALIVE }
	HIT(R)
	HIT(K)
	HIT(S)
	HIT(V)
	HIT_HOLDER(0)
#if FAULTS == 2
	HIT_HOLDER(1)
#endif
	:: atomic { events == EVENTS && events && st[K] == ALIVE -> /* all of brink at once */
		   events = 0;
		   hit_all();
		   if
		   :: true -> kill_all()
		   :: true -> stop_all()
		   fi }
#if HELP > 0
	:: atomic { helps > 0 && folder -> helps--; helped = true;
		   if
		   :: st[V] == NONE -> help(V)
		   :: else -> help(T)
		   fi }
#endif
	:: events == 0 && helps == 0 && !any_napping -> break
	od
}

inline go_on(p)
{
	if
	:: is_stopped(p) -> st[p] = ALIVE
	:: else
	fi
}

#if FAULTS == 2
#define GO_ON_1 go_on(H + 1)
#else
#define GO_ON_1
#endif
#define is_gone(f) (!is_held(f))
#define is_over(p) (st[p] != ALIVE)
inline revert_until_clean()
{
	tries = 0;
	do
	:: folder && tries < 1 + UNDO_FAILS + EVENTS ->
		tries++;
		if
		:: is_stopped(V) -> help(T)
		:: else -> help(V)
		fi;
		timeout
	:: else -> break
	od
}
init {
	byte tries;

	atomic {
		st[R] = ALIVE;
		st[K] = ALIVE;
		run runner();
		run keeper()
	};
	/* Nothing moves any more: whoever is alive has done its part, leases and timers have run out. */
	timeout;
	assert(is_over(R) && is_over(K) && is_over(S) && is_over(V) && is_over(T)); /* P7 */
#define P1(f) (helped || closed(f) || KIND(f) != SELF_ENDING)
	assert(all(P1));
	/* P6, first half: keeper and spare cover for each other. */
	assert(helped || (hit_keeper && hit_spare) || has_failed || all(nothing));
#if HELP > 0
	is_heard = true;
#endif
	/* P6: `brink revert` at the latest. The first one may meet the undo that fails. */
	revert_until_clean();
	assert(!folder && all(nothing) && all(harmless) && !is_reserved);
	assert(is_over(R) && is_over(K) && is_over(S) && is_over(V) && is_over(T));
	/* Whoever is still stopped goes on one day, long after. */
	d_step { go_on(R); go_on(K); go_on(S); go_on(V); go_on(T); go_on(H); GO_ON_1 };
	timeout;
	/* A run that was stopped at its start only begins now, and its undo may be the one that fails. */
	if
	:: UNDO_FAILS && has_failed -> revert_until_clean()
	:: else
	fi;
	assert(all(nothing) && all(is_gone) && !is_reserved);
	assert(is_over(R) && is_over(K) && is_over(S) && is_over(V) && is_over(T))
}
