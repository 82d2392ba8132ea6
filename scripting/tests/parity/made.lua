-- Hosts by what they send, and how often each was the busiest so far when a packet of it came.
function init()
  return {
    hosts = table({ key = { addr = "ip.src" }, value = { bytes = sum("bytes"), packets = count() } }),
    few = table({ key = { port = "dport" }, value = { packets = count() }, rows = 2, full = "evict" }),
    first = 0,
    seen = 0,
  }
end

function update(pkt, state)
  local best = state.hosts:top("bytes", 1)[1]
  if best and pkt.ip.src and best.addr == pkt.ip.src then
    state.first = state.first + 1
  end
  if pkt.ip.src and state.hosts:find(pkt.ip.src) then
    state.seen = state.seen + 1
  end
  state.hosts:add(pkt)
  if pkt.udp then
    state.hosts:add(pkt)
    state.few:add(pkt)
  end
end

function export(state)
  local rows = {}
  for row in state.hosts do
    table.insert(rows, {
      addr = row.addr,
      bytes = row.bytes,
      packets = row.packets,
      first = state.first,
      seen = state.seen,
      ports = #state.few,
    })
  end
  return rows
end
