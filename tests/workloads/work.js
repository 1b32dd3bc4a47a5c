// HTTP server and clients, files, worker threads, child processes, streams, timers, zlib, crypto.
const fs = require('fs'), http = require('http'), os = require('os'), zlib = require('zlib'), crypto = require('crypto');
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const { execFile, spawn, execFileSync, fork } = require('child_process');
if (process.argv[2] === 'child') { process.on('message', m => { process.send({ back: m.value * 2 }); process.disconnect(); }); }
else if (!isMainThread) {
  let hash = crypto.createHash('sha256');
  for (let i = 0; i < 2000; i++) hash.update(Buffer.alloc(1000, workerData));
  fs.writeFileSync(`worker-${workerData}`, hash.digest('hex'));
  parentPort.postMessage(workerData);
} else (async () => {
  const server = http.createServer((q, r) => { let n = 0; q.on('data', d => n += d.length); q.on('end', () => { r.setHeader('x-n', n); r.end(q.url.repeat(100)); }); });
  await new Promise(done => server.listen(0, '127.0.0.1', done));
  const get = (path, body) => new Promise((done, fail) => {
    const q = http.request({ port: server.address().port, host: '127.0.0.1', path, method: 'POST' }, r => {
      let text = ''; r.on('data', d => text += d); r.on('end', () => done([r.statusCode, r.headers['x-n'], text.length])); });
    q.on('error', fail); q.end(body); });
  const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => get('/p' + i, 'b'.repeat(i * 500))));
  console.log(answers.length, JSON.stringify(answers[7]), JSON.stringify(answers[199]));
  server.close(); server.closeAllConnections();
  console.log((await Promise.all([1, 2, 3, 4].map(i => new Promise((done, fail) => {
    const w = new Worker(__filename, { workerData: i }); w.on('message', done); w.on('error', fail); })))).sort().join());
  console.log(execFileSync('sh', ['-c', 'echo sync']).toString().trim());
  console.log(await new Promise(done => execFile('sh', ['-c', 'echo out; echo err >&2; exit 3'], (e, o, x) => done([e.code, o, x]))));
  const cat = spawn('cat'); cat.stdin.end('streamed '.repeat(20000));
  let size = 0; for await (const part of cat.stdout) size += part.length; console.log(size);
  console.log(await new Promise(done => { const c = fork(__filename, ['child']); c.on('message', done); c.send({ value: 21 }); }));
  await fs.promises.mkdir('tree/deep', { recursive: true });
  await Promise.all(Array.from({ length: 100 }, (_, i) => fs.promises.writeFile(`tree/deep/${i}`, zlib.gzipSync('z'.repeat(i * 100)))));
  console.log((await fs.promises.readdir('tree/deep')).length, zlib.gunzipSync(await fs.promises.readFile('tree/deep/99')).length);
  fs.createReadStream(process.execPath, { end: 5000000 }).pipe(fs.createWriteStream('copy')).on('finish', () => { console.log(fs.statSync('copy').size); process.exitCode = 8; });
})().catch(e => { console.error(e); process.exit(1); });
