# Written by "npm run reference"; do not edit.
_pointsman() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} options="" choices=""
  local files=' import replay '
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W 'start once plan apply get validate doctor approve adopt pause resume drain maintenance undrain weight status why import replay version --help --version' -- "$word"))
    return
  fi
  case $before in
    -c|--config) COMPREPLY=($(compgen -f -- "$word")); return ;;
    --log-level) COMPREPLY=($(compgen -W 'trace debug info warn error fatal silent' -- "$word")); return ;;
    --log-format) COMPREPLY=($(compgen -W 'auto json pretty' -- "$word")); return ;;
    --log-file) COMPREPLY=($(compgen -f -- "$word")); return ;;
    --log-max-size) return ;;
    --log-keep) return ;;
    --traffic-log-file) COMPREPLY=($(compgen -f -- "$word")); return ;;
    --admin) return ;;
    --metrics-enabled) COMPREPLY=($(compgen -W 'true false' -- "$word")); return ;;
    --metrics-path) return ;;
    --status-page) COMPREPLY=($(compgen -W 'true false' -- "$word")); return ;;
    --admin-allowed-hosts) return ;;
    --resync-interval) return ;;
    --on-exit) COMPREPLY=($(compgen -W 'keep drain remove' -- "$word")); return ;;
    --state-dir) COMPREPLY=($(compgen -d -- "$word")); return ;;
    --kernel-deadline) return ;;
    --per-backend-metrics) COMPREPLY=($(compgen -W 'true false' -- "$word")); return ;;
    --metrics-node-ipvs) COMPREPLY=($(compgen -W 'true false' -- "$word")); return ;;
    --max-probes) return ;;
    --probe-threads) return ;;
    --watch-settle) return ;;
    --watch-poll) return ;;
    --instance) return ;;
    --manage-sysctls) COMPREPLY=($(compgen -W 'true false' -- "$word")); return ;;
    --manage-firewall) COMPREPLY=($(compgen -W 'true false' -- "$word")); return ;;
    --journal) COMPREPLY=($(compgen -f -- "$word")); return ;;
    --journal-limit) return ;;
    --probe-timeout) return ;;
    -f|--file) COMPREPLY=($(compgen -f -- "$word")); return ;;
    --color) COMPREPLY=($(compgen -W 'auto always never' -- "$word")); return ;;
    --allowed-actions) return ;;
    --reason) return ;;
    --for) return ;;
    --all-services) return ;;
    --timeout) return ;;
    --over) return ;;
    --steps) return ;;
    -o|--output) COMPREPLY=($(compgen -f -- "$word")); return ;;
    --params-file) COMPREPLY=($(compgen -f -- "$word")); return ;;
    --params-url) return ;;
    --config-id) return ;;
  esac
  case ${COMP_WORDS[1]} in
    start) options='-c --config --log-level --log-format --log-file --log-max-size --log-keep --traffic-log-file --admin --metrics-enabled --metrics-path --status-page --admin-allowed-hosts --resync-interval --on-exit --state-dir --kernel-deadline --per-backend-metrics --metrics-node-ipvs --max-probes --probe-threads --watch-settle --watch-poll --instance --manage-sysctls --manage-firewall --shadow --journal --journal-limit --help' ;;
    once) options='-c --config --state-dir --kernel-deadline --json --no-probes --probe-timeout --help' ;;
    plan) options='-c --config -f --file --state-dir --kernel-deadline --json --color --probes --probe-timeout --help' ;;
    apply) options='--state-dir --kernel-deadline --json -f --file --keep-weights --allowed-actions --help' ;;
    get) options='--state-dir --kernel-deadline --json --help' ;;
    validate) options='-c --config -f --file --log-level --log-format --log-file --log-max-size --log-keep --traffic-log-file --admin --metrics-enabled --metrics-path --status-page --admin-allowed-hosts --resync-interval --on-exit --state-dir --kernel-deadline --per-backend-metrics --metrics-node-ipvs --max-probes --probe-threads --watch-settle --watch-poll --instance --manage-sysctls --manage-firewall --json --help' ;;
    doctor) options='-c --config --state-dir --kernel-deadline --json --color --help' ;;
    approve) options='--state-dir --json --help' ;;
    adopt) options='--state-dir --json --help' ;;
    pause) options='--state-dir --reason --for --json --help' ;;
    resume) options='--state-dir --json --help' ;;
    drain) options='--state-dir --all-services --reason --for --force --wait --timeout --json --help' ;;
    maintenance) options='--state-dir --all-services --reason --for --force --json --help' ;;
    undrain) options='--state-dir --all-services --json --help' ;;
    weight) options='--state-dir --reason --for --force --over --steps --unset --json --help' ;;
    status) options='--state-dir --json --color --help' ;;
    why) options='--state-dir --json --color --help' ;;
    import) options='--state-dir --kernel-deadline -o --output --force --params-file --params-url --config-id --json --help' ;;
    replay) options='-c --config --json --help' ;;
    version) options='--json --help' ;;
  esac
  if [ "$COMP_CWORD" -eq 2 ]; then
    case ${COMP_WORDS[1]} in
      import) choices='keepalived ipvsadm ezlb ipvsctl kglb' ;;
    esac
  fi
  if [[ $word == -* ]]; then COMPREPLY=($(compgen -W "$options" -- "$word"))
  elif [ -n "$choices" ]; then COMPREPLY=($(compgen -W "$choices" -- "$word"))
  elif [[ $files == *" ${COMP_WORDS[1]} "* ]]; then COMPREPLY=($(compgen -f -- "$word")); fi
}
complete -o filenames -F _pointsman pointsman
