-- A check before a declared table.
key = { proto = 'ip.proto' }
value = { packets = count(), largest = max('len'), ports = distinct('dport') }
function check(pkt, state)
  state.turn = not state.turn
  return state.turn and pkt.len < 1000
end
