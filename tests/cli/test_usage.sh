#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Command lines that are refused: exit code 2, nothing on stdout, a sentence and a way on.
. "$(dirname "$0")/lib.sh"

# $1: what is wrong, $2: the way on, then the command line
wrong() {
	local text=$1 help=$2

	shift 2
	refused 2 "brink: error: $text" "$@"
	has "$err" "  = help: $help"
	no_escape "brink $*"
}

wrong "unknown command 'chek'" "did you mean 'brink check'?" chek
wrong "unknown command 'chekc'" "did you mean 'brink check'?" chekc
wrong "unknown command 'rvert'" "did you mean 'brink revert'?" rvert
wrong "unknown command 'bananas'" "brink help lists the commands" bananas
wrong "unknown command 'expl'" "did you mean 'brink explain'?" expl
wrong "unknown command 'chec'" "did you mean 'brink check'?" chec x.brink.yaml # no abbreviations
wrong "unknown command '\\x1b[31m'" "brink help lists the commands" $'\033[31m'

wrong "'web.brink.yaml' is a file, not a command" "write: brink run web.brink.yaml" web.brink.yaml
wrong "'a/b' is a file, not a command" "write: brink run a/b" a/b
: >there
wrong "'there' is a file, not a command" "write: brink run there" there

for verb in watch report schedule fleet agent ui config schema completion; do
	wrong "'brink $verb' is not in this version" "brink help lists what there is" $verb
done
wrong "there is no 'brink undo'" "write: brink revert" undo
wrong "there is no 'brink fmt'" "brink does not rewrite files: comments would be lost" fmt x

wrong "unknown flag '--sed'" "did you mean '--seed'?" run --sed 1 x
wrong "unknown flag '--jsn'" "did you mean '--json'?" check --jsn x
wrong "unknown flag '--verb'" "did you mean '--verbose'?" check --verb x # no abbreviations
wrong "unknown flag '--xyzzy'" "see: brink run -h" run --xyzzy
wrong "unknown flag '-x'" "see: brink run -h" run -x
wrong "unknown flag '-z'" "see: brink run -h" run -qz
wrong "unknown flag '--xyzzy'" "see: brink -h" --xyzzy
for flag in only keep-going ci junit html tap markdown listen strict; do
	wrong "'--$flag' is not in this version" "see: brink run -h" run --$flag x
done
wrong "there is no '--force', on purpose" "a refusal names its rule" run --force x
wrong "there is no '--no-revert', on purpose" "brink always takes back what it did" run --no-revert x
wrong "there is no '--ignore-policy', on purpose" "/etc/brink/policy.yaml belongs to root" run --ignore-policy x
wrong "there is no '--speed', on purpose" "time is real" run --speed=2 x
wrong "there is no '--token', on purpose" "secrets on a command line" run --token=x x

wrong "'--seed' is no flag of 'brink check'" "it belongs to brink try, brink plan, brink run" check --seed 1 x
wrong "'--why' is no flag of 'brink run'" "it belongs to brink halt" run --why x y
wrong "'--seed' stands before the command" "write the command first" --seed 1 run x
wrong "'--' stands before the command" "write the command first" -- run x
wrong "'--version' is no flag of 'brink run'" "write: brink version" run --version

wrong "'--seed' needs a value" "write --seed=N" run x --seed
wrong "'--plan' needs a value" "write --plan=PLAN" run --plan --yes
wrong "'--out' has an empty value" "write --out=PLAN" plan x --out=
wrong "'--json' takes no value" "leave '='" check --json=yes x
wrong "'purple' is no value of '--color'" "write --color=auto|always|never" check --color=purple x
wrong "'maybe' is no value of '--if-unable'" "write --if-unable=fail|skip" run --if-unable maybe x
wrong "--for: '10' is not a duration" "write a number with a unit" try net.delay --for 10
wrong "--seed: 'abc' is not a whole number" "write digits only" run --seed abc x
wrong "--seed: '-1' is below 0" "write a whole number" run --seed=-1 x
wrong "--lock-timeout: '-5s' is not a duration" "write a number with a unit" run --lock-timeout=-5s x
wrong "-q and -v contradict each other" "leave one of them away" check -qv x
wrong "--plan and a FILE contradict each other" "the plan has the experiment in it" run --plan p x
wrong "--plan and --seed contradict each other" "the plan has its seed in it" run --plan p --seed 1
wrong "--all and a RUN contradict each other" "leave one of them away" halt --all 01JD

wrong "'brink check' needs a FILE" "see: brink check -h" check
wrong "'brink run' needs a FILE" "see: brink run -h" run
wrong "'brink try' needs a FAULT" "see: brink try -h" try
wrong "'brink list' needs faults, probes or targets" "see: brink list -h" list
wrong "'brink explain' needs a KEY, FAULT or CODE" "see: brink explain -h" explain
wrong "'brink run' takes a FILE; 'y' is too much" "see: brink run -h" run x y
wrong "'brink version' takes no argument; 'x' is too much" "see: brink version -h" version x
wrong "nothing stands behind '--'" "write: -- COMMAND" try net.delay --
wrong "'brink list hosts' is not in this version" "write: brink list faults|probes|targets" list hosts
wrong "there is no list of 'falts'" "write: brink list faults|probes|targets" list falts
wrong "nothing is called 'net.dely'" "did you mean 'net.delay'?" explain net.dely
wrong "there is no help topic of that name" "did you mean 'brink help exit-codes'?" help exit-code
wrong "unknown command 'bananas'" "brink help lists the commands" help bananas

# Colour of a refusal obeys the same rules.
expect 2 --color=always bananas
escape "--color=always" "$err"
set_env=(CLICOLOR_FORCE=1)
expect 2 bananas
escape "CLICOLOR_FORCE=1" "$err"
set_env=(CLICOLOR_FORCE=1 NO_COLOR=1)
expect 2 bananas
no_escape "NO_COLOR over CLICOLOR_FORCE"
finish
