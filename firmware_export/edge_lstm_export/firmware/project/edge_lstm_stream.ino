// The model behind this board's serial port: edge-lstm stream BUNDLE --target PORT feeds it.
#include <model.h>
#include <el_serve.h>

static el_server server;

void setup() {
  Serial.begin(115200);
  el_server_init(&server);
}

void loop() {
  while (Serial.available() > 0) {
    const uint16_t count = el_server_take(&server, (uint8_t)Serial.read());
    if (count != 0)
      Serial.write(server.reply, count);
  }
}
