// MQTT.js behind a socket: one client per connection, one JSON object per line each way.
'use strict';
const net = require('node:net');
const fs = require('node:fs');
const mqtt = require('mqtt');

function fromWire(properties) {
  const made = {...properties};
  if (made.correlationData) made.correlationData = Buffer.from(made.correlationData, 'base64');
  return made;
}

function toWire(properties) {
  const made = {...properties};
  if (made.correlationData) made.correlationData = made.correlationData.toString('base64');
  if (made.userProperties) made.userProperties = {...made.userProperties};
  return made;
}

function options(said) {
  const made = {
    protocolVersion: said.level, clientId: said.clientId, clean: said.clean,
    keepalive: said.keepalive, reconnectPeriod: 0, connectTimeout: 10000, resubscribe: false,
    queueQoSZero: false,
  };
  if (said.username !== null) Object.assign(made, {username: said.username, password: said.password});
  if (said.level === 5) made.properties = said.properties;
  if (said.cafile) made.ca = fs.readFileSync(said.cafile);
  if (said.alpn) made.ALPNProtocols = [said.alpn];
  if (said.aliases) made.autoAssignTopicAlias = true;
  if (said.will) {
    made.will = {...said.will, payload: Buffer.from(said.will.payload, 'base64')};
    if (said.level === 5) made.will.properties = fromWire(said.will.properties);
    else delete made.will.properties;
  }
  return made;
}

net.createServer(control => {
  let client = null;
  let rest = '';
  const say = what => control.destroyed || control.write(JSON.stringify(what) + '\n');
  const done = id => (error, result) =>
    say(error ? {id, error: String(error), code: error.code} : {id, result});

  const verbs = {
    open(said) {
      client = mqtt.connect(said.url, options(said));
      client.on('connect', connack => done(said.id)(null, {
        present: Boolean(connack.sessionPresent), properties: toWire(connack.properties)}));
      client.on('message', (topic, payload, packet) => say({
        event: 'message', topic, payload: payload.toString('base64'), qos: packet.qos,
        retain: packet.retain, properties: toWire(packet.properties)}));
      client.on('error', error => done(said.id)(error));
      client.on('disconnect', packet => say({event: 'disconnect', code: packet.reasonCode}));
      client.on('close', () => say({event: 'close'}));
    },
    subscribe(said) {
      client.subscribe(said.filters, said.options, (error, granted, packet) =>
        done(said.id)(error && !packet ? error : null, packet && packet.granted));
    },
    unsubscribe(said) { client.unsubscribe(said.filters, done(said.id)); },
    publish(said) {
      let left = said.messages.length;
      const one = error => { if (error) done(said.id)(error); else if (!--left) done(said.id)(); };
      for (const [topic, payload] of said.messages) {
        client.publish(topic, Buffer.from(payload, 'base64'),
          {qos: said.qos, retain: said.retain, properties: fromWire(said.properties)}, one);
      }
    },
    leave(said) { client.end(false, {}, () => done(said.id)()); },
    vanish(said) { client.stream.destroy(); done(said.id)(); },
  };

  control.setEncoding('utf8');
  control.on('data', text => {
    const lines = (rest + text).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      const said = JSON.parse(line);
      verbs[said.verb](said);
    }
  });
  control.on('error', () => {});
  control.on('close', () => client && client.end(true));
}).listen(0, '127.0.0.1', function () { console.log(this.address().port); });
