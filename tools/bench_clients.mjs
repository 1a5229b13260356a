// A subscriber of tools/bench_clients.py: node bench_clients.mjs ADDRESS SECONDS
import { Listener } from '../clients/node/rtbci.js'

const now = () => Number(process.hrtime.bigint()) / 1e9
const [address, durationS] = [process.argv[2], Number(process.argv[3])]
const start = now()
const latencyMs = []
let lost = 0
const listener = new Listener(address)
for await (const { message } of listener) {
  const heard = now()
  if (heard - start > 1) latencyMs.push((heard - message.t_sent) * 1e3)
  lost = Math.max(lost, listener.lost.prediction)
  if (heard - start > 1 + durationS) break
}
listener.close()
console.log(JSON.stringify({ latency_ms: latencyMs, n_lost: lost }))
