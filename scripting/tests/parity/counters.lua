-- Counters in update.
function init(args) return { packets = 0, bytes = 0 } end
function update(pkt, state)
  state.packets += pkt.packets
  state.bytes += pkt.bytes
end
function export(state) return { packets = state.packets, bytes = state.bytes } end
