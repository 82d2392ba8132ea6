-- Memory across intervals.
args = { half_life = 4 }
function init(args, last) return { n = 0, mean = last and last.mean or 0 } end
function update(pkt, state) state.n += 1 end
function export(state, long, args)
  state.mean = state.mean + (state.n - state.mean) / args.half_life
  long.intervals = (long.intervals or 0) + 1
  return { n = state.n, mean = state.mean, intervals = long.intervals }
end
