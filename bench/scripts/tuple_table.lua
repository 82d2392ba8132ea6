-- Packets and bytes of every flow, in a core table that `update` fills.
filter = "tcp or udp"

function init()
  local key = { src = "ip.src", dst = "ip.dst", proto = "ip.proto", sport = "sport", dport = "dport" }
  return { flows = table{ key = key, value = { packets = count(), bytes = sum("len") } } }
end

function update(pkt, state)
  state.flows:add(pkt)
end

function export(state)
  return state.flows
end
