// aedes as an MQTT broker. usage: aedes_broker.mjs PORT MODULE
import { createServer } from "node:net";

const [port, module] = process.argv.slice(2);
const { Aedes } = await import(module);
const broker = await Aedes.createBroker();
createServer(broker.handle).listen(Number(port), "127.0.0.1");
