-- Top destinations and ports, counted where a test holds, and written as they are.
function init()
  return { hosts = table({ key = { addr = "ip.dst" }, value = { bytes = sum("len"), packets = count() } }) }
end

function update(pkt, state)
  if pkt.ip then
    state.hosts:add(pkt)
  end
end

function export(state)
  return state.hosts:top("bytes", 5)
end
