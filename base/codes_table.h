/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_CODES_TABLE_H
#define BRINK_CODES_TABLE_H

/*
 * X(number, NAME, brief, note, text). 1001-1199: mistakes in an experiment; 1201-1299: warnings
 * about one; 1301-1399: the policy. Ascending. note is printed below each such message, text by
 * brink explain.
 */
#define MSG_CODES(X)                                                                                                       \
	X(1001, TOO_BIG, "the file is larger than 1 MiB", NULL,                                                            \
	  "An experiment is read whole before anything is done, so its size is limited to 1 MiB. A thousand faults "       \
	  "need about 60 KiB; a larger file is most likely not an experiment.")                                            \
	X(1002, NOT_UTF8, "bytes that are not UTF-8", NULL,                                                                \
	  "The file must be text in UTF-8, without a UTF-16 byte order mark. iconv(1) converts other encodings.")          \
	X(1003, CONTROL, "a control character", NULL,                                                                      \
	  "YAML does not allow NUL and other control characters in a file. Inside double quotes write an escape, "         \
	  "such as \"\\0\" or \"\\x1b\".")                                                                                 \
	X(1004, SYNTAX, "the file is not YAML", NULL,                                                                      \
	  "The YAML parser gave up here. A frequent cause is a value that begins with one of @ ` % & * ! | > { [ or "      \
	  "that contains ': ' or ' #': put it in double quotes.")                                                          \
	X(1005, TAB, "a tab used for indentation", NULL,                                                                   \
	  "YAML allows only spaces before the first word of a line. Most editors can replace tabs; expand(1) does it "     \
	  "for a whole file.")                                                                                             \
	X(1006, NOT_CLOSED, "a bracket or quote without its end", NULL,                                                    \
	  "The position is where the bracket or quote was opened; the parser noticed only later, which is what the "       \
	  "note says.")                                                                                                    \
	X(1007, DURATION, "not a duration",                                                                                \
	  "a bare 10 is refused too, because nobody can tell seconds from milliseconds",                                   \
	  "A duration is a number with a unit, or several without a space between them: 250us, 500ms, 10s, 1.5s, 2m, "     \
	  "1h30m, 2d. The longest is 366 days.")                                                                           \
	X(1008, SIZE, "not a size", NULL,                                                                                  \
	  "A size is a number with a unit: B, KiB, MiB, GiB, TiB (powers of 1024) or kB, MB, GB, TB (powers of 1000).")    \
	X(1009, PERCENT, "not a percentage", NULL,                                                                         \
	  "A percentage is a number from 0 to 100 with the sign behind it: 30%, 0.5%. The smallest step is 0.0001%.")      \
	X(1010, WHOLE_NUMBER, "not a whole number", NULL,                                                                  \
	  "Counts are whole decimal numbers without a unit: 0, 3, 250.")                                                   \
	X(1011, SIGNAL, "not a signal", NULL,                                                                              \
	  "A signal is a name with or without SIG (KILL, SIGTERM) or its number. kill -l lists them.")                     \
	X(1012, COMPARE, "not a comparison", NULL,                                                                         \
	  "A comparison is one of < <= > >= == != and a number with or without a unit: \"< 500ms\", \"<= 1%\", "           \
	  "\"== 0\"; or the word failing, which asks for a check's own state. Quote it, because > means something else "   \
	  "to YAML.")                                                                                                      \
	X(1013, WORD, "not one of the words allowed here", NULL,                                                           \
	  "The key takes one word of a fixed list.")                                                                       \
	X(1014, RANGE, "outside the allowed range", NULL,                                                                  \
	  "The value is well formed but too small or too large for this key. brink explain KEY shows the range.")          \
	X(1015, BOOL, "neither true nor false", NULL,                                                                      \
	  "Only true and false are accepted, not yes, no, on, off: those mean different things to different programs.")    \
	X(1016, SHAPE, "a list, block or plain value in the wrong place", NULL,                                            \
	  "Each key takes a plain value, a list (lines that begin with '- ', or [a, b]) or a block (indented lines "       \
	  "'key: value', or {key: value}). brink explain KEY tells which.")                                                \
	X(1017, NO_VALUE, "a key without a value", NULL,                                                                   \
	  "Nothing stands behind the colon, or null, or ~. Remove the key to get its default.")                            \
	X(1018, DEPTH, "nested too deep", NULL, "Blocks and lists may be nested 64 levels deep.")                          \
	X(1019, TOO_MANY, "too many parts", NULL,                                                                          \
	  "A file may have 200,000 values once aliases are written out, a list 10,000 items, and a run 1,024 faults.")     \
	X(1020, ONE_DOCUMENT, "more than one YAML document", NULL,                                                         \
	  "A file holds one experiment; nothing may follow a second '---'.")                                               \
	X(1021, MERGE_KEY, "a merge key", NULL,                                                                            \
	  "'<<' exists only in YAML 1.1 and parsers disagree about it. Anchors (&name) and aliases (*name) for whole "     \
	  "values work.")                                                                                                  \
	X(1022, TWICE, "a key given twice", NULL,                                                                          \
	  "YAML itself leaves open which of the two counts, so brink takes neither.")                                      \
	X(1023, ALIAS, "an alias without its anchor", NULL,                                                                \
	  "*name repeats the value that was marked &name earlier in the file. It cannot stand before it or inside it.")    \
	X(1024, TAG, "a YAML tag", NULL,                                                                                   \
	  "Tags such as !!str or !ENV have no meaning here: the key alone decides how a value is read.")                   \
	X(1025, INDENT, "wrong indentation", NULL,                                                                         \
	  "All keys of one block begin in the same column, and a key that already has a value cannot have a block "        \
	  "below it.")                                                                                                     \
	X(1026, EMPTY, "an empty file", NULL,                                                                              \
	  "An experiment needs at least brink, name, steady_state and faults. brink new writes a first one.")              \
	X(1040, MISSING, "a required key is missing", NULL,                                                                \
	  "brink explain shows which keys of a block are required.")                                                       \
	X(1041, LATER, "not in this version", NULL,                                                                        \
	  "The word belongs to the language, but this brink cannot do it yet. It is refused rather than ignored, so "      \
	  "that no run does less than its file says.")                                                                     \
	X(1042, UNKNOWN_KEY, "an unknown key", NULL,                                                                       \
	  "A key that brink does not know is never ignored: it may be a misspelt limit. Keys that begin with x- are "      \
	  "free for your own use.")                                                                                        \
	X(1043, EXACTLY_ONE, "exactly one of several keys is needed", NULL,                                                \
	  "Some keys exclude each other, and one of them must be there.")                                                  \
	X(1044, AT_MOST_ONE, "keys that exclude each other", NULL,                                                         \
	  "Only one of these keys may be given.")                                                                          \
	X(1045, ONE_KIND, "a fault needs exactly one kind", NULL,                                                          \
	  "Each item of faults is one fault: its kind with parameters (net.delay: {…}), beside it for, after, id and "   \
	  "recovers_within. Write two faults as two items.")                                                               \
	X(1046, UNKNOWN_FAULT, "an unknown fault", NULL,                                                                   \
	  "brink list faults shows those that this version has.")                                                          \
	X(1047, UNKNOWN_TARGET, "an unknown target", NULL,                                                                 \
	  "The name must be one of those declared under targets.")                                                         \
	X(1048, TARGET_KIND, "a target of the wrong kind", NULL,                                                           \
	  "net.* faults take a flow target, proc.* faults and process_up a process target, disk.* faults a path target.")  \
	X(1049, UNKNOWN_CHECK, "an unknown check", NULL,                                                                   \
	  "The id must be one of those under steady_state. A check without an id is called after its source: http, "       \
	  "http-2, tcp and so on.")                                                                                        \
	X(1050, SAME_ID, "an id used twice", NULL,                                                                         \
	  "Reports and later commands name checks and faults by id.")                                                      \
	X(1051, BAD_NAME, "not a good name", NULL,                                                                         \
	  "Ids and names of targets and variables begin with a letter and go on with letters, digits, - and _; ids are "   \
	  "lower case and at most 63 characters long.")                                                                    \
	X(1052, LANGUAGE, "another version of the language", NULL,                                                         \
	  "brink: 1 is the only version so far. A file with a higher number needs a newer brink.")                         \
	X(1053, UNKNOWN_VAR, "an unknown variable", NULL,                                                                  \
	  "${name} must be declared under vars; ${run.id} and ${host.name} always exist. A plain dollar sign before a "    \
	  "brace is written $${.")                                                                                         \
	X(1054, VAR_MISSING, "a variable without a value", NULL,                                                           \
	  "A variable with required: true and no default needs --var name=value, a line in --var-file, or the "            \
	  "environment variable that its env names.")                                                                      \
	X(1055, VAR_CHOICE, "a variable with a value outside its list", NULL,                                              \
	  "one_of lists the values that a variable may have, wherever the value comes from.")                              \
	X(1056, VAR_NESTED, "a variable inside a variable", NULL,                                                          \
	  "Substitution is done once: values under vars are taken as they are.")                                           \
	X(1057, VAR_GROWTH, "substitution makes the file too large", NULL,                                                 \
	  "All substituted values together may have 4 MiB.")                                                               \
	X(1058, VAR_SYNTAX, "a ${ that is never closed", NULL,                                                             \
	  "A variable is written ${name}. A plain dollar sign before a brace is written $${.")                             \
	X(1059, NOT_HERE, "a key that has no meaning here", NULL,                                                          \
	  "The key exists but does not fit what stands beside it; it would have been without effect.")                     \
	X(1060, CHECK_VALUE, "a check's value that cannot work", NULL,                                                     \
	  "http takes a URL that begins with http:// or https://, tcp takes host:port, status takes numbers such as 200, " \
	  "classes such as 2xx and ranges such as 200-299.")                                                               \
	X(1061, LIMIT, "longer than the file's own limits allow", NULL,                                                    \
	  "limits.duration bounds the whole run. A fault that cannot end within it is refused.")                           \
	X(1062, FAULT_VALUE, "a fault that cannot work", NULL,                                                             \
	  "Each key is well formed, but what they say together, or the endpoint, path or selector behind one of them, "    \
	  "would be refused by every run. brink explain KIND shows the keys and their forms.")                             \
	X(1063, RATE, "not a rate", NULL,                                                                                  \
	  "A rate is a number with a unit: bit, kbit, mbit, gbit, tbit (bits a second, powers of 1000, as in tc(8)), or "  \
	  "B/s, kB/s, MB/s, GB/s, KiB/s, MiB/s, GiB/s (bytes a second).")                                                  \
	X(1201, UNUSED_TARGET, "a target that nothing uses", NULL,                                                         \
	  "It is harmless, but often the sign of a fault aimed elsewhere.")                                                \
	X(1202, UNUSED_VAR, "a variable that nothing uses", NULL,                                                          \
	  "It is harmless, but often the sign of a misspelt ${name} or of an old file.")                                   \
	X(1203, NO_GATE, "no check can stop the run", NULL,                                                                \
	  "All checks have role: observe, so nothing but time, a person or abort.when ends the faults early.")             \
	X(1204, NOT_SEEN, "a fault that no check may see", NULL,                                                           \
	  "It holds for less time than passes between two looks of every gate. The run still asks for a good sample "      \
	  "afterwards, but it may pass without one of the time in which the fault was on.")                                \
	X(1301, POLICY_RULE, "a rule of the policy that cannot work", NULL,                                                \
	  "A flow is ADDRESS[/LEN][:PORT[-PORT]][/tcp|/udp] with numbers only, a path and a cgroup begin with /, a user "  \
	  "exists on this machine, a fault is one of brink list faults or a pattern that fits one. A rule that never "     \
	  "fits anything is refused, because a denial that denies nothing looks like safety.")

#endif
