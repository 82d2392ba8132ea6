-- Which share of the bytes each protocol has, and how much was ever seen.
key   = { proto = "ip.proto" }
value = { bytes = sum("len"), packets = count() }

function export(table, long)
  local total = 0
  for row in table do total = total + row.bytes end
  long.total = (long.total or 0) + total
  local records = {}
  for row in table:top("bytes", 2) do
    records[#records + 1] = {
      proto = row.proto, share = row.bytes / total, name = "protocol " .. row.proto,
      big = row.bytes > 1000, ever = long.total, of = #table,
    }
  end
  return records
end
