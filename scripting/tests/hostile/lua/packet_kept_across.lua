-- error: a packet kept for the next interval.
function init(args, last) return last or {} end
function update(pkt, state)
  local second = pkt.ts // 1
  if state.p and state.second ~= second then return state.p.len end
  state.p, state.second = state.p or pkt, state.second or second
end
function export() end
