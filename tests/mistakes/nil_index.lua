-- Packets that have travelled far.
function init() return { far = 0 } end

function update(pkt, state)
  local hops = 64 - pkt.ip.ttl
  if hops > 20 then state.far += pkt.packets end
end

function export(state) return { far = state.far, share = state.far / state.all } end
