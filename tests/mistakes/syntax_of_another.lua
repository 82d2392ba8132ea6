-- Packets, as C would have it.
function init() return { n = 0 } end

function update(pkt, state)
  if pkt.len != 60 && pkt.tcp {
    state.n++
  }
end

function export(state) return { n = state.n } end
