#!/usr/bin/env python3
"""Makes a data directory with many sites and certificates.  usage: sites.py PORTWARD COUNT PORT UPSTREAM DIR

Its bindings are on PORT (https) and PORT + 100 (http); one site for all hosts has the upstream.  It takes about 20 ms for
each site and its certificate, most of it for the disk, and is made once for each folder and port."""
import http.client, json, os, shutil, socket, subprocess as sp, sys, time

def ask(connection, path, body):
    connection.request('POST', f'/api/v1{path}', json.dumps(body), {'Content-Type': 'application/json', 'Host': 'localhost'})
    answer = connection.getresponse(); text = answer.read()
    # A busy machine may need longer to serve a change than its author is kept waiting; it is stored.
    if answer.status == 503 and b'not-served' in text: return None
    if answer.status >= 300: sys.exit(f'{path}: {answer.status} {text.decode()}')
    return json.loads(text or b'null')

class Admin(http.client.HTTPConnection):
    """the API over the admin socket"""
    def __init__(self, path): super().__init__('localhost', timeout=600); self.path = path
    def connect(self): self.sock = socket.socket(socket.AF_UNIX); self.sock.settimeout(600); self.sock.connect(self.path)

def main(portward, count, port, upstream, final):
    making = f'{final}.making'; shutil.rmtree(making, ignore_errors=True)
    server = sp.Popen([portward, 'serve', '--data-dir', making, '--workers', '1', '--https', f'127.0.0.1:{port}', '--http', f'127.0.0.1:{port + 100}',
                       '--admin', f'127.0.0.1:{port + 200}', '--upstream', f'http://{upstream}'], stdout=sp.PIPE, stderr=sp.DEVNULL, text=True)
    try:
        if not server.stdout.readline().startswith('ready'): sys.exit('Portward does not serve')
        api = Admin(f'{making}/admin.sock')
        for i in range(count): ask(api, '/certificates/self-signed', {'names': [f'site-{i}.bench.test']})
        sites = [{'id': f'site-{i}', 'names': [f'site-{i}.bench.test'], 'upstreams': [f'http://{upstream}']} for i in range(count)]
        ask(api, '/apply', {'state': {'sites': sites}})
    finally:
        server.terminate(); server.wait(60)
    os.rename(making, final)

if __name__ == '__main__':
    portward, count, port, upstream, final = sys.argv[1:]
    main(portward, int(count), int(port), upstream, final)
