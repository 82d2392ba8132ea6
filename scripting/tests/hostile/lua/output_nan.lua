-- any: NaN and the infinities as values.
function update(pkt, state) end
function export(state, long, args)
  return { a = 0 / 0, b = 1 / 0, c = -1 / 0, d = 2 ^ 63, e = -(2 ^ 64) }
end
