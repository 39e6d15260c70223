// A second machine for a second replica: a network namespace on the lab's bridge, with the same addresses for Gateways.
import { spawnSync } from 'node:child_process';
import { labName } from '../lab/inside.ts';

export class SecondNode {
  readonly netns: string = `${labName}-b`;
  readonly address: string = '10.244.250.2';
  readonly admin: string = `${this.address}:9901`;

  constructor() {
    this.remove();
    const commands = [
      `ip netns add ${this.netns}`,
      `ip link add second0 type veth peer name eth0 netns ${this.netns}`,
      'ip link set second0 master cni0 up',
      `ip -n ${this.netns} link set lo up`,
      `ip -n ${this.netns} addr add ${this.address}/16 dev eth0`,
      `ip -n ${this.netns} link set eth0 up`,
      `ip -n ${this.netns} route add local 10.200.0.0/16 dev lo`,
    ];
    for (const command of commands) run(command);
  }

  remove(): void {
    spawnSync('ip', ['netns', 'del', this.netns]);
  }
}

function run(command: string): void {
  const [program = '', ...args] = command.split(' ');
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command}: ${stderr}`);
}
