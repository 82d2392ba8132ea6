-- Packets.
value = { packets = count() }

function export(table)
  local row = table:all()[1]
  return { all = row, packets = row.packets }
end
