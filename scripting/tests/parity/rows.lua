-- Rows of a table read, found, and made anew.
key = { src = 'ip.src/24' }
value = { bytes = sum('len'), mean = mean('len'), first = first('ts') }
schema = { net = 'addr', share = 'float', first = 'float', same = 'bool' }
function export(table)
  local total, rows = 0, {}
  for row in table:all() do total += row.bytes end
  for row in table:top('bytes', 2) do
    rows[#rows + 1] = {
      net = row.src, share = row.bytes / total, first = row.first,
      same = table:find(row.src).bytes == row.bytes,
    }
  end
  return rows
end
