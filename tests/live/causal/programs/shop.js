// An http server on node's event loop and mysql2's pool: node shop.js PORT DATABASE_PORT POOL
'use strict';
const http = require('http');
const mysql = require('mysql2/promise');

const [port, databasePort, size] = process.argv.slice(2).map(Number);
const pool = mysql.createPool({
  host: '127.0.0.1', port: databasePort, user: 'web', database: 'shop', connectionLimit: size, maxIdle: size,
});

async function row(item, tag, slow) {
  const [rows] = slow
    ? await pool.query('SELECT name, ? AS tag, SLEEP(?) AS slept FROM item WHERE id = ?',
      [tag, 0.001 * (1 + item % 4), item])
    : await pool.execute('SELECT name, ? AS tag FROM item WHERE id = ?', [tag, item]);
  return `${rows[0].name} ${rows[0].tag}\n`;
}

async function page(kind, item, tag) {
  if (kind === 'one') return row(item, tag, false);
  if (kind === 'two') return await row(item, tag, true) + await row(item, tag, false);
  if (kind === 'some') {
    const said = await row(item, tag, true) + await row(item, tag, false);
    return item % 2 ? said + await row(item, tag, false) : said;
  }
  const three = await Promise.all([row(item, tag, true), row(item, tag, false), row(item, tag, false)]);
  return three.join('') + await row(item, tag, false);
}

const server = http.createServer(async (request, response) => {
  const [, kind, item, tag] = request.url.match(/^\/([a-z]+)\/(\d+)\?tag=(.*)$/);
  const body = await page(kind, Number(item), tag);
  response.writeHead(200, { 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
});
server.keepAliveTimeout = 75000;
process.on('SIGTERM', () => process.exit(0));
server.listen({ port, host: '127.0.0.1', backlog: 511 });
