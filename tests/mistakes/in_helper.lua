-- Bytes by host.
local function note(rows, host, bytes)
  rows[host].bytes += bytes
end

function init() return { rows = {} } end

function update(pkt, state)
  if pkt.ip then
    note(state.rows, pkt.ip.src, pkt.bytes)
  end
end

function export(state)
  local records = {}
  for host, row in state.rows do table.insert(records, { host = host, bytes = row.bytes }) end
  return records
end
