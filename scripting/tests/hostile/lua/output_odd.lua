-- error: values that no record may have.
function update(pkt, state) end
function export(state, long, args)
  return { { f = print } }
end
