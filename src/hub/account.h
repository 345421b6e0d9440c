/* Whose token is in use. */
#ifndef HUB_ACCOUNT_H
#define HUB_ACCOUNT_H

#include "hub/hub.h"

struct hub_account {
    char name[HUB_NAME_BYTES];
    char token_name[HUB_NAME_BYTES]; /* what the hub calls the token */
    char role[32];                   /* "read", "write", "fineGrained"; "" when it isn't said */
    json_t *organizations;           /* their names */
};

/* Asks the hub about hub->token. */
bn_status hub_whoami(struct hub *hub, struct hub_account *out, bn_error *err);
void hub_account_release(struct hub_account *account);

#endif
