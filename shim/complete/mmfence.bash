# SPDX-License-Identifier: MIT
# bash completion for mmfence. What there is to complete, the command's own --help says.

# Of the option table in --help: "name value value…", values where they are a choice.
_mmfence_options() {
	"$1" run --help | awk '
		function say() {
			name = line
			sub(/=.*/, "", name)
			values = ""
			if (match(line, /: [a-z-]+(, [a-z-]+)+ \[/)) {
				values = substr(line, RSTART + 2, RLENGTH - 4)
				gsub(/,/, "", values)
			}
			if (name != "")
				print name, values
			line = ""
		}
		/^What -o/ { on = 1; next }
		/^$/ { on = 0 }
		!on { next }
		/^  [a-z]/ { say(); line = $1 " " $0; next }
		{ sub(/^ +/, " "); line = line $0 }
		END { say() }'
}

_mmfence_flags() {
	"$1" "$2" --help | grep -o -e '^  *-[a-zA-Z?]\b' -e '--[a-z-]*' | sort -u
}

# What may follow a flag.
_mmfence_values() {
	case $2 in
	--preset) "$1" run --help | sed -n 's/^  --preset=\([a-z-]*\) .*/\1/p' ;;
	--fail-on)
		"$1" check --help | sed -n '/--fail-on=/,/--inject/p' | tr '\n' ' ' |
			sed 's/ ([^)]*)//g; s/\[.*//; s/.* by commas://; s/ or of//' | tr -d , ;;
	--color | --sort | --way)
		"$1" "$3" --help | sed -n "s/.*$2=\([a-z|]*\).*/\1/p" | tr '|' ' ' ;;
	esac
}

_mmfence() {
	local program=$1 cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local command=${COMP_WORDS[1]} at flag='' words=''

	if ((COMP_CWORD == 1)) || { [[ $command == help ]] && ((COMP_CWORD == 2)); }; then
		words=$("$program" --help | sed -n '/^ Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
		((COMP_CWORD > 1)) || words="$words help --version"
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		return
	fi
	if [[ $command == run || $command == check ]]; then
		for ((at = 2; at < COMP_CWORD; at++)); do
			if [[ ${COMP_WORDS[at]} == -- ]]; then
				if declare -F _command_offset >/dev/null; then
					_command_offset $((at + 1))
				else
					mapfile -t COMPREPLY < <(compgen -c -- "$cur")
				fi
				return
			fi
		done
	fi
	# "=" is a word of its own.
	[[ $cur == = ]] && cur=
	[[ $previous == = ]] && previous=${COMP_WORDS[COMP_CWORD - 2]}
	[[ ${COMP_WORDS[COMP_CWORD]} == = ]] && previous=${COMP_WORDS[COMP_CWORD - 1]}
	flag=$previous
	if [[ $flag == -o ]]; then
		words=$(_mmfence_options "$program" | sed 's/ .*/=/')
		compopt -o nospace
	elif [[ $flag == *.* ]]; then
		words=$(_mmfence_options "$program" | sed -n "s/^$flag //p")
	elif [[ $cur == -* ]]; then
		words=$(_mmfence_flags "$program" "$command")
	else
		words=$(_mmfence_values "$program" "$flag" "$command")
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
	# Files, programs and processes.
	[[ -n $words ]] && return
	if [[ $command == pages ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(ps -e -o pid=)" -- "$cur")
	elif [[ $command == doctor ]]; then
		mapfile -t COMPREPLY < <(compgen -c -f -- "$cur")
	else
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
	fi
}

complete -F _mmfence mmfence
