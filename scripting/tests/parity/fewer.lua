-- A check that leaves the state out takes it from no one.
function init(args, last)
  return { packets = last and last.packets or 0 }
end

function check(pkt)
  return pkt.len > 90
end

function update(pkt, state)
  state.packets = state.packets + 1
end

function export(state)
  return { total = state.packets }
end
