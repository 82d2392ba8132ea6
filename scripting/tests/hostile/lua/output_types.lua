-- error: a column of another type each time.
function update(pkt, state) end
function export(state, long, args)
  long.n = (long.n or 0) + 1
  return { a = if long.n % 2 == 0 then "text" else 1 }
end
