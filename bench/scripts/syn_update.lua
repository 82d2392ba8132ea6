-- Connection attempts, told apart and counted by hand.
function init()
  return { packets = 0, bytes = 0 }
end

function check(pkt)
  return pkt.tcp.flags.syn and not pkt.tcp.flags.ack
end

function update(pkt, state)
  state.packets = state.packets + pkt.packets
  state.bytes = state.bytes + pkt.bytes
end

function export(state)
  return state
end
