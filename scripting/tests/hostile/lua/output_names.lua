-- error: columns called by numbers and tables.
function update(pkt, state) end
function export(state, long, args)
  return { { [{}] = 1, [1.5] = 2 } }
end
