"""HTTP on port 8000 and a raw TCP echo on port 9000, in one process."""

from blackbull import BlackBull

app = BlackBull()


@app.route(path='/')
async def index():
    return "HTTP here; raw TCP echo on :9000."


@app.raw_handler('echo', port=9000)
async def echo(reader, writer, ctx):
    while True:
        data = await reader.read(1024)
        if not data:
            break
        await writer.write(data)


app.run(port=8000)  # HTTP on 8000, echo on 9000
